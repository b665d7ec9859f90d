// Host names and `host:port` pairs as the configuration writes them: listeners, targets and route hosts.
// Only spellings with one reading are taken, so `010.0.0.1` and `1.2` are neither addresses nor names.
import { isIPv4 } from 'node:net';
import { parseAddress } from './address.ts';

/** A place to listen at or to connect to. */
export interface HostPort {
  readonly ok: true;
  /** A name in lower case, or an address; an IPv6 address has no brackets here. */
  readonly host: string;
  /** 0 to 65535; a listener at 0 takes any free port. */
  readonly port: number;
}

/** A place, or what is wrong with its text and the cure, as the end of a sentence that begins with the text. */
export type ParsedHostPort = HostPort | { readonly ok: false; readonly problem: string };

/** Parses `host:port` or `[IPv6]:port`. */
export function parseHostPort(text: string): ParsedHostPort {
  const match = /^(.*):(\d+)$/.exec(text);
  if (!match) return refused('has no port; write host:port, like 127.0.0.1:8080 or [::1]:8080');
  const [, hostText = '', portText = ''] = match;
  const port = Number(portText);
  if (port > 65_535 || (portText.length > 1 && portText.startsWith('0')))
    return refused('has a port that is none; ports are 0 to 65535');
  if (hostText === '') return refused(`has no host; write 127.0.0.1:${port}, or 0.0.0.0:${port} for every interface`);
  const host = parseHost(hostText);
  if (host === undefined)
    return refused(
      parseAddress(hostText)?.family === 6
        ? `has an IPv6 address without brackets; write [${hostText}]:${port}`
        : 'has a host that is neither a name nor an address; write host:port, like 127.0.0.1:8080 or [::1]:8080',
    );
  return { ok: true, host, port };
}

/** A host as it stands before a port: a name, an IPv4 address or an IPv6 address in brackets; undefined for anything else. */
export function parseHost(text: string): string | undefined {
  if (text.startsWith('[') && text.endsWith(']')) {
    const inner = text.slice(1, -1);
    return inner.includes(':') && parseAddress(inner) ? inner : undefined;
  }
  const host = text.toLowerCase();
  return isIPv4(host) || isHostName(host) ? host : undefined;
}

/** Whether the text is a host name in lower case: labels of a-z, 0-9 and dashes; a last label of digits would be an address. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && HOST_NAME.test(text) && !/(?:^|\.)\d+$/.test(text);
}

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

function refused(problem: string): ParsedHostPort {
  return { ok: false, problem };
}

/** The host without port and without the root's dot, which name the same host. */
export function hostName(host: string): string {
  const portAt = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':');
  const name = portAt > 0 ? host.slice(0, portAt) : host;
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
