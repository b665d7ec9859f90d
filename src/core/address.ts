// Internet addresses, read strictly: what `net.isIP` and RFC 6943 call unambiguous, and nothing else.
// ipaddr.js also takes `010.0.0.1`, `10.1` and `0x7f.1`; the gate in front of it does not.
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A parsed address. IPv4-mapped IPv6 addresses are their IPv4 address. */
export type Address = IPv4Address | IPv6Address;

export interface IPv4Address {
  readonly family: 4;
  /** Dotted decimal. */
  readonly text: string;
  /** The address as an unsigned 32-bit integer. */
  readonly value: number;
}

export interface IPv6Address {
  readonly family: 6;
  /** RFC 5952 text. */
  readonly text: string;
  /** The address as 32 lower-case hex digits, so that string order is address order. */
  readonly value: string;
}

/** Parses one address; `undefined` for anything that is not exactly one (zone ids, octal, short forms). */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return ipv4(text);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const parsed = ipaddr.IPv6.parse(text.replace(DOTTED_END, hexadecimalEnd));
  if (parsed.isIPv4MappedAddress()) return ipv4(parsed.toIPv4Address().toString());
  return { family: 6, text: parsed.toRFC5952String(), value: Buffer.from(parsed.toByteArray()).toString('hex') };
}

/** Where attempts are counted: the IPv4 address itself, or the /64 an IPv6 address is in. */
export function sourcePrefix(address: Address): string {
  return address.family === 4 ? address.text : `${address.value.slice(0, 16)}/64`;
}

/** The last 32 bits of an IPv6 address in dotted decimal, which {@link isIPv6} has found to be such. */
const DOTTED_END = /(?<=:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/;

/** ipaddr.js takes the deprecated `::10.0.0.1` for `::ffff:10.0.0.1`; spelled without dots, nobody takes it for another. */
function hexadecimalEnd(_dotted: string, ...parts: string[]): string {
  const [a, b, c, d] = parts.slice(0, 4).map((part) => Number(part).toString(16).padStart(2, '0'));
  return `${a}${b}:${c}${d}`;
}

function ipv4(text: string): IPv4Address {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return { family: 4, text, value: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0 };
}
