// CIDR lists, compiled once to sorted ranges, so that ten thousand of them cost a binary search.
import ipaddr from 'ipaddr.js';
import { type Address, parseAddress } from './address.ts';

/** A canonical CIDR, or why it is not one and what was probably meant. */
export type ParsedCidr =
  | { readonly ok: true; readonly range: CidrRange }
  | { readonly ok: false; readonly problem: string };

/** First and last address of a block, both included. */
export type CidrRange =
  | { readonly family: 4; readonly first: number; readonly last: number }
  | { readonly family: 6; readonly first: string; readonly last: string };

/** A compiled pair of lists. Deny wins; an empty allow list allows all. */
export interface Networks {
  /** Whether a caller at this address may pass. */
  permits(address: Address): boolean;
}

/** Lists that permit every address. */
const ANYWHERE: Networks = { permits: () => true };

/** Parses a canonical CIDR (`10.0.0.0/8`, `2001:db8::/32`); host bits, short forms, mapped and zoned addresses are refused. */
export function parseCidr(text: string): ParsedCidr {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (!match)
    return refused(
      parseAddress(text)
        ? `has no prefix length; write ${text}${text.includes(':') ? '/128' : '/32'} for one address`
        : 'is not a CIDR; write it like 10.0.0.0/8 or 2001:db8::/32',
    );
  const [, base = '', prefixText = ''] = match;
  const prefix = Number(prefixText);
  if (/^0\d/.test(prefixText)) return refused('has a prefix length with a leading zero');
  if (base.includes('%')) return refused('has a zone id, which means nothing to another host; leave it out');
  const address = parseAddress(base);
  if (!address)
    return refused('has a base that is not a full address; write four decimal parts or a full IPv6 address');
  if (address.family === 4 && base.includes(':'))
    return refused(
      `is an IPv4-mapped address; write its IPv4 block, such as ${address.text}/${Math.max(0, prefix - 96)}`,
    );
  const bits = address.family === 4 ? 32 : 128;
  if (prefix > bits) return refused(`has a prefix length over ${bits}`);
  const range = blockAt(address, prefix);
  if (range.first !== address.value)
    return refused(`has bits set behind its prefix; the block is ${blockText(address, prefix)}`);
  return { ok: true, range };
}

/**
 * Compiles an allow and a deny list.
 * @throws {RangeError} if an entry is not canonical; callers validate with {@link parseCidr} first.
 */
export function compileNetworks(allow: readonly string[], deny: readonly string[]): Networks {
  if (allow.length === 0 && deny.length === 0) return ANYWHERE;
  const allowed = new RangeSet(allow.map(rangeOf));
  const denied = new RangeSet(deny.map(rangeOf));
  const allowsAll = allow.length === 0;
  return { permits: (address) => !denied.has(address) && (allowsAll || allowed.has(address)) };
}

/** A set of addresses, as disjoint sorted ranges. */
class RangeSet {
  readonly #v4First: Uint32Array;
  readonly #v4Last: Uint32Array;
  readonly #v6First: string[] = [];
  readonly #v6Last: string[] = [];

  constructor(ranges: readonly CidrRange[]) {
    const v4 = ranges.filter((range) => range.family === 4).sort((a, b) => a.first - b.first);
    const firsts: number[] = [];
    const lasts: number[] = [];
    for (const { first, last } of v4) push(firsts, lasts, first, last);
    this.#v4First = Uint32Array.from(firsts);
    this.#v4Last = Uint32Array.from(lasts);
    const v6 = ranges.filter((range) => range.family === 6).sort((a, b) => (a.first < b.first ? -1 : 1));
    for (const { first, last } of v6) push(this.#v6First, this.#v6Last, first, last);
  }

  has(address: Address): boolean {
    return address.family === 4
      ? within(this.#v4First, this.#v4Last, address.value)
      : within(this.#v6First, this.#v6Last, address.value);
  }
}

/** CIDR blocks nest or are disjoint, so a block that starts inside the one before is wholly in it. */
function push<T extends number | string>(firsts: T[], lasts: T[], first: T, last: T): void {
  const before = lasts.at(-1);
  if (before !== undefined && first <= before) {
    if (last > before) lasts[lasts.length - 1] = last;
    return;
  }
  firsts.push(first);
  lasts.push(last);
}

function within<T extends number | string>(firsts: ArrayLike<T>, lasts: ArrayLike<T>, value: T): boolean {
  let low = 0;
  let high = firsts.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (value < firsts[middle]!) high = middle - 1;
    else if (value > lasts[middle]!) low = middle + 1;
    else return true;
  }
  return false;
}

function rangeOf(text: string): CidrRange {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new RangeError(`${text} ${parsed.problem}`);
  return parsed.range;
}

function blockAt(address: Address, prefix: number): CidrRange {
  if (address.family === 4) {
    const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
    const first = (address.value & mask) >>> 0;
    return { family: 4, first, last: (first | ~mask) >>> 0 };
  }
  const hostBits = (1n << BigInt(128 - prefix)) - 1n;
  const value = BigInt(`0x${address.value}`);
  const first = value & ~hostBits;
  return { family: 6, first: hex(first), last: hex(first | hostBits) };
}

function blockText(address: Address, prefix: number): string {
  const block =
    address.family === 4
      ? ipaddr.IPv4.networkAddressFromCIDR(`${address.text}/${prefix}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${address.text}/${prefix}`);
  return `${block.toString()}/${prefix}`;
}

function hex(value: bigint): string {
  return value.toString(16).padStart(32, '0');
}

function refused(problem: string): ParsedCidr {
  return { ok: false, problem };
}
