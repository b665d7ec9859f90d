// From what node:http parsed to a request that can be decided, or the refusal of one that could be read in
// more than one way (RFC 9112 sections 3.2, 5, 6). Works on the raw field list only.
import type { IncomingMessage } from 'node:http';
import type { Address } from '../core/address.ts';
import { BOUNDS } from '../core/bounds.ts';
import { type Denial, deny } from '../core/decision.ts';
import { isField } from '../core/fields.ts';
import { hostName, parseHost } from '../core/host-port.ts';
import type { Policy } from '../core/policy.ts';
import { parseTarget } from '../core/target.ts';
import { RequestState } from '../decide/request-state.ts';

/**
 * Accepts a request, or says why not.
 * @param id the request's id
 * @param acceptedAtMs ms since the epoch
 */
export function accept(
  request: IncomingMessage,
  peer: Address,
  policy: Policy,
  id: string,
  acceptedAtMs: number,
): RequestState | Denial {
  const raw = request.url ?? '';
  if (raw.length > BOUNDS.targetBytes) return deny('uri_too_long');
  // Node's parser takes HTTP/0.9 and HTTP/2.0 on a request line and reads on as in HTTP/1 (RFC 9112 section 2.3).
  if (request.httpVersionMajor !== 1) return ambiguous('version');
  const head = readHead(request);
  if ('code' in head) return head;
  // CONNECT names an authority, not a path, and passes nowhere.
  if (request.method === 'CONNECT') return deny('method_not_allowed', { allow: [] });
  const target = parseTarget(raw, head.host);
  if ('flaw' in target) return ambiguous(`target: ${target.flaw}`);
  return new RequestState({
    id,
    policy,
    acceptedAtMs,
    method: request.method ?? '',
    target,
    host: head.host,
    rawHeaders: request.rawHeaders,
    peer,
    upgrades: head.upgrades,
    contentLength: head.contentLength,
  });
}

interface Head {
  /** In lower case. */
  readonly host: string;
  readonly upgrades: readonly string[];
  readonly contentLength: number | null;
}

const NO_UPGRADES: readonly string[] = [];
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i;
const DIGITS = /^\d{1,15}$/;

function readHead(request: IncomingMessage): Head | Denial {
  const { rawHeaders } = request;
  if (rawHeaders.length / 2 > BOUNDS.headerCount) return deny('headers_too_large');
  let bytes = 0;
  let host: string | undefined;
  let transferEncoding: string | undefined;
  let length: string | undefined;
  let connection = '';
  let upgrade = '';
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const value = rawHeaders[at + 1]!;
    bytes += name.length + value.length + 4;
    switch (name.length) {
      case 4:
        if (!isField(name, 'host')) break;
        if (host !== undefined) return ambiguous('two Host fields');
        host = value;
        break;
      case 6:
        // node:http takes any value that has 100-continue in it.
        if (isField(name, 'expect') && value.toLowerCase() !== '100-continue') return deny('expectation_failed');
        break;
      case 7:
        if (isField(name, 'upgrade')) upgrade += `,${value}`;
        break;
      case 10:
        if (isField(name, 'connection')) connection += `,${value}`;
        break;
      case 14:
        if (!isField(name, 'content-length')) break;
        if (length !== undefined) return ambiguous('two Content-Length fields');
        length = value;
        break;
      case 17:
        if (!isField(name, 'transfer-encoding')) break;
        if (transferEncoding !== undefined) return ambiguous('two Transfer-Encoding fields');
        transferEncoding = value;
        break;
      default:
    }
  }
  if (bytes > BOUNDS.headerBytes) return deny('headers_too_large');
  const canonicalHost = hostOf(host);
  if (canonicalHost === undefined) return ambiguous('Host');
  const contentLength = bodyLength(request.httpVersion, transferEncoding, length);
  if (contentLength === undefined) return ambiguous('framing');
  return {
    host: canonicalHost,
    contentLength,
    // One of HTTP/1.0 is none (RFC 9110 section 7.8).
    upgrades: upgrade === '' || request.httpVersionMinor === 0 ? NO_UPGRADES : askedUpgrades(upgrade, connection),
  };
}

/** The Host field's value in lower case; undefined if it is none. Nearly all requests name the host of the one before. */
function hostOf(value: string | undefined): string | undefined {
  if (value === lastValue) return lastHost;
  const match = HOST.exec(value ?? '');
  if (match === null || Number(match[1] ?? 0) > 65_535) return undefined;
  const host = match[0].toLowerCase();
  // `a..b` is no name, and `127.1` or `[:1]` no address that everybody reads in the same way.
  if (parseHost(hostName(host)) === undefined) return undefined;
  lastValue = value;
  lastHost = host;
  return lastHost;
}

let lastValue: string | undefined;
let lastHost: string | undefined;

/** The declared length, null for chunked, undefined for framing that two readers could take differently. */
function bodyLength(
  version: string,
  transferEncoding: string | undefined,
  length: string | undefined,
): number | null | undefined {
  if (transferEncoding !== undefined) {
    const isPlain = length === undefined && version === '1.1' && transferEncoding.toLowerCase() === 'chunked';
    return isPlain ? null : undefined;
  }
  if (length === undefined) return 0;
  return DIGITS.test(length) ? Number(length) : undefined;
}

/** An Upgrade counts only where Connection names it (RFC 9110 section 7.8). */
function askedUpgrades(upgrade: string, connection: string): readonly string[] {
  if (
    !connection
      .toLowerCase()
      .split(',')
      .some((option) => option.trim() === 'upgrade')
  )
    return NO_UPGRADES;
  return upgrade
    .toLowerCase()
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '');
}

function ambiguous(detail: string): Denial {
  return deny('ambiguous_request', { detail });
}
