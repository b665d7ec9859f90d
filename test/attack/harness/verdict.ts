// The one invariant of all attacks: what the upstream saw is what was authorised, byte for byte in path and identity.
// Judged from the upstream's bytes and the gateway's log, with rules of this file's own.
import type { LogLine } from '../../support/gateway-process.ts';
import { HOST, KEYS, READER, type Arena } from './arena.ts';
import type { SeenRequest } from './recorder.ts';
import { valuesOf } from './strict-requests.ts';

/** What a class of attacks changes of what is right. */
export interface Rules {
  /** What `X-Forwarded-For` may say to the upstream (default: the client's own address alone). */
  readonly forwardedFor?: RegExp;
  /** What `X-Forwarded-Host` may say to the upstream (default: the Host of a plain case, or one that this case has). */
  readonly forwardedHost?: RegExp;
  /** What the upstream is told of `reader`, by names in lower case (default: under the default names). */
  readonly identity?: ReadonlyMap<string, string>;
}

const IDENTITY: ReadonlyMap<string, string> = new Map([
  ['x-consumer-id', READER.owner],
  ['x-credential-identifier', READER.id],
  ['x-consumer-groups', ''],
  ['x-authenticated-scope', READER.scopes],
]);

/** Never sent to an upstream but with an upgrade, and then as one. */
const HOP_BY_HOP = [
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'expect',
  'x-original-url',
  'x-rewrite-url',
  'forwarded',
];

/** Everything that is wrong with what the upstream saw since it was reset, a sentence each, the case named. */
export function flawsOf({ gateway, recorder }: Arena, rules: Rules = {}): string[] {
  const lines = new Map(gateway.log.map((line) => [line['requestId'], line]));
  const seen = new Set<string>();
  const found = [...recorder.flaws];
  for (const request of recorder.requests) {
    const say = (what: string): void =>
      void found.push(`${request.during}: ${what}, in ${JSON.stringify(request.head)}`);
    for (const flaw of headFlaws(request, recorder.port, rules)) say(flaw);
    const id = valuesOf(request.fields, 'x-request-id').join();
    if (seen.has(id)) say('a request that came twice');
    seen.add(id);
    const line = lines.get(id);
    if (!line || !allows(line, request)) say('no log line allows it');
    else if (line['method'] !== request.method || !isLogged(line['path'], pathOf(request)))
      say(`authorised was ${String(line['method'])} ${String(line['path'])}`);
    else if ((line['key'] ?? null) !== (isPublic(request) ? null : READER.id))
      say(`authorised was the key ${String(line['key'])}`);
  }
  return found;
}

/** A request may have been let through and its body then refused: the upstream must not get it whole. */
function allows({ outcome, reason }: LogLine, { body }: SeenRequest): boolean {
  return outcome === 'allowed' || (body === undefined && BODY_REFUSED.has(reason));
}

const BODY_REFUSED: ReadonlySet<unknown> = new Set(['ambiguous_request', 'body_too_large', 'request_timeout']);

/** What is wrong with one head, whatever the log says. */
export function* headFlaws(request: SeenRequest, port: number, rules: Rules): Generator<string> {
  const path = pathOf(request);
  const { identity = IDENTITY, forwardedFor = /^127\.0\.0\.1$/, forwardedHost } = rules;
  const told = new Map([...identity].map((each) => [evenly(each[0]), each]));
  if (!/^\/(?:open|socket|public)(?:\/|$)/.test(path)) yield 'a path that nobody may use';
  if (!isCanonical(request.target)) yield 'a target that can be read in two ways';
  for (const [name, value] of request.fields) {
    const even = evenly(name);
    const ours = told.get(even);
    if (ours && (isPublic(request) || name.toLowerCase() !== ours[0] || value !== ours[1]))
      yield `an identity of the client's own, ${name}`;
    if (HOP_BY_HOP.includes(even)) yield `${name}, which is not for the upstream`;
    if (even.startsWith('x-forwarded-') && name !== even.replaceAll(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase()))
      yield `${name}, a spelling that is not ours`;
  }
  if (!isPublic(request)) {
    for (const [name, value] of identity)
      if (value !== '' && valuesOf(request.fields, name).length !== 1)
        yield `${valuesOf(request.fields, name).length} of ${name}`;
  }
  const isUpgrade = valuesOf(request.fields, 'upgrade').length > 0;
  if (isUpgrade && !path.startsWith('/socket/')) yield 'an upgrade that its route does not list';
  if (!/^(?:upgrade|keep-alive|close)?$/i.test(valuesOf(request.fields, 'connection').join()))
    yield 'a Connection field of the client';
  if (valuesOf(request.fields, 'host').join() !== `127.0.0.1:${port}`) yield 'another Host than the upstream';
  const host = valuesOf(request.fields, 'x-forwarded-host').join();
  if (forwardedHost ? !forwardedHost.test(host) : host !== HOST && !hostsOf(request.sent).includes(host))
    yield `X-Forwarded-Host ${host}`;
  const chain = valuesOf(request.fields, 'x-forwarded-for').join();
  if (!forwardedFor.test(chain)) yield `X-Forwarded-For ${chain}`;
  for (const key of Object.values(KEYS)) if (request.head.includes(key)) yield 'a credential';
}

/** A field's name as those read it that take `_` and `.` for a dash. */
function evenly(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-');
}

/** Whether a log line's path is this one, which it may show the beginning of. */
function isLogged(shown: unknown, path: string): boolean {
  const text = String(shown);
  return text.endsWith('…') && path.length > text.length ? path.startsWith(text.slice(0, -1)) : text === path;
}

function pathOf({ target }: SeenRequest): string {
  return target.replace(/\?.*$/s, '');
}

/** What the Host lines of a case say: a generated one may have changed a byte of it, and left it a host. */
function hostsOf(sent: string): string[] {
  return [...sent.matchAll(/\r\nHost:[ \t]*([0-9A-Za-z.:[\]-]+)[ \t]*\r\n/gi)].map(([, host = '']) =>
    host.toLowerCase(),
  );
}

function isPublic(request: SeenRequest): boolean {
  return /^\/public(?:\/|$)/.test(pathOf(request));
}

/** Whether there is one way only to read a target. */
function isCanonical(target: string): boolean {
  const [, path = '', query = ''] = /^([^?]*)(.*)$/s.exec(target) ?? [];
  // `"<>[]^`{|}` should have been encoded (RFC 3986 appendix A), but nobody reads them as anything else.
  if (!/^\/[\x21\x22\x24-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(path) || !/^[\x21\x22\x24-\x7e]*$/.test(query)) return false;
  for (const [, digits = ''] of target.matchAll(/%(..?)?/g)) {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    if (!/^[0-9A-F]{2}$/.test(digits) || /[A-Za-z0-9._~-]/.test(character)) return false;
  }
  for (const [, digits = ''] of path.matchAll(/%(..)/g)) {
    const byte = Number.parseInt(digits, 16);
    if (byte < 0x20 || byte === 0x7f || byte === 0x2f || byte === 0x5c) return false;
  }
  const segments = path.replace(/\/$/, '').split('/').slice(1);
  return segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..') || path === '/';
}
