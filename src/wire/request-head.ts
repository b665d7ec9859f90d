// A request's head as one text, one character an octet, so that it goes out in one write. What could end a
// line or would not be one octet is refused, whoever let it through.
import { BOUNDS } from '../core/bounds.ts';
import type { UpstreamRequest } from './exchange.ts';

/**
 * The head without what frames the body and the empty line; undefined if it cannot be written.
 * @param hostLine the Host line with its CRLF
 */
export function requestHead({ method, path, fields }: UpstreamRequest, hostLine: string): string | undefined {
  // A server that sends a body in answer to HEAD would be answering the next request: there is none.
  const connection = method === 'HEAD' ? 'connection: close\r\n' : 'connection: keep-alive\r\n';
  let unchecked = path;
  let head = `${method} ${path} HTTP/1.1\r\n${hostLine}${connection}`;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    unchecked += value;
    if (!isToken(name)) return undefined;
    head += `${name}: ${value}\r\n`;
  }
  return isToken(method) && !path.includes(' ') && !UNWRITABLE.test(unchecked) ? head : undefined;
}

/** What no value may hold: control characters but for the tab, and what is no octet. */
// oxlint-disable-next-line no-control-regex -- just those are meant
const UNWRITABLE = /[\0-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const knownTokens = new Set<string>();

function isToken(text: string): boolean {
  if (knownTokens.has(text)) return true;
  if (!TOKEN.test(text)) return false;
  if (knownTokens.size < BOUNDS.headerNames) knownTokens.add(text);
  return true;
}

/** Methods whose requests say that they have no body (RFC 9110 section 8.6). */
const EXPECT_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** What ends the head of a request without a body. */
export function bodylessEnd(method: string): string {
  return EXPECT_BODY.has(method) ? 'content-length: 0\r\n\r\n' : '\r\n';
}
