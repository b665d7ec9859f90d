// From a decision to what the caller reads: status, fields and problem document (RFC 9457). Nothing else
// writes an answer of ours.
import { STATUS_CODES } from 'node:http';
import type { Denial, LimitReport } from '../core/decision.ts';
import type { CredentialPlaces } from '../core/policy.ts';
import { ANSWERS, type Answer } from '../core/reasons.ts';

/** An answer of ours, whole. */
export interface ProblemAnswer {
  readonly status: number;
  /** Name, value, name, value. */
  readonly fields: readonly string[];
  readonly body: string;
  /** Whether the connection has to end with it. */
  readonly closes: boolean;
}

/** Where the limits stand that a request passed or was refused by. */
type LimitFacts = Pick<AnswerContext, 'limits' | 'limitPolicy'>;

/** What an answer says besides its code. */
export interface AnswerContext {
  readonly requestId: string;
  readonly credentials: CredentialPlaces;
  readonly limits: readonly LimitReport[];
  readonly limitPolicy: string;
  /** Upgrades that the route lists, for 426. */
  readonly upgrades: readonly string[];
}

export function answerProblem(denial: Denial, context: AnswerContext): ProblemAnswer {
  const { status, title, closes = false }: Answer = ANSWERS[denial.code];
  const body = JSON.stringify({
    type: `urn:portcullis:problem:${denial.code}`,
    title,
    status,
    code: denial.code,
    requestId: context.requestId,
    ...(denial.missing && { missing: denial.missing }),
    ...(denial.violated && { 'violated-policies': denial.violated }),
  });
  const fields = [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
    ...denialFields(denial, context),
    ...answerFields(context.requestId, context),
  ];
  return { status, fields, body, closes };
}

/** What every answer carries, ours and the upstream's: the request's id and where the limits stand. */
export function answerFields(requestId: string, { limits, limitPolicy }: LimitFacts): string[] {
  const first = limits[0];
  if (first === undefined) return ['X-Request-Id', requestId];
  // draft-ietf-httpapi-ratelimit-headers: lists of items, `r` what is left, `t` seconds.
  let state = stateItem(first);
  for (let at = 1; at < limits.length; at++) state += `, ${stateItem(limits[at]!)}`;
  return ['X-Request-Id', requestId, 'RateLimit-Policy', limitPolicy, 'RateLimit', state];
}

function stateItem({ name, remaining, resetS }: LimitReport): string {
  return `"${name}";r=${remaining};t=${resetS}`;
}

/** The answer as bytes, for a connection that node:http no longer writes on (an upgrade, a parse error). It ends the connection. */
export function rawAnswer({ status, fields, body }: ProblemAnswer, method: string): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nDate: ${new Date().toUTCString()}\r\n`;
  const isHead = method === 'HEAD';
  for (let at = 0; at < fields.length; at += 2) {
    // Where the bytes were no request, HEAD is a guess: a client that meant another is not to wait for a body.
    if (isHead && fields[at] === 'Content-Length') continue;
    head += `${fields[at]}: ${fields[at + 1]}\r\n`;
  }
  return `${head}Connection: close\r\n\r\n${isHead ? '' : body}`;
}

function denialFields(denial: Denial, { credentials, upgrades }: AnswerContext): string[] {
  const fields: string[] = [];
  switch (denial.code) {
    case 'key_missing':
      fields.push('WWW-Authenticate', challenges(credentials, ''));
      break;
    case 'key_invalid':
      fields.push('WWW-Authenticate', challenges(credentials, ', error="invalid_token"'));
      break;
    case 'scope_missing':
      fields.push('WWW-Authenticate', insufficientScope(credentials, denial.missing ?? []));
      break;
    case 'method_not_allowed':
      fields.push('Allow', (denial.allow ?? []).join(', '));
      break;
    case 'upgrade_refused':
      // RFC 9110 section 15.5.22: 426 names what could be upgraded to.
      fields.push('Upgrade', upgrades.length > 0 ? upgrades.join(', ') : 'HTTP/1.1');
      break;
    default:
  }
  if (denial.retryAfterS !== undefined) fields.push('Retry-After', String(denial.retryAfterS));
  return fields;
}

/** RFC 6750 section 3 for Bearer, and the same form for the key header. */
function challenges({ acceptsBearer, header }: CredentialPlaces, bearerError: string): string {
  const apiKey = `ApiKey realm="portcullis", header="${header}"`;
  return acceptsBearer ? `Bearer realm="portcullis"${bearerError}, ${apiKey}` : apiKey;
}

function insufficientScope({ acceptsBearer, header }: CredentialPlaces, missing: readonly string[]): string {
  const scheme = acceptsBearer ? 'Bearer realm="portcullis"' : `ApiKey realm="portcullis", header="${header}"`;
  return `${scheme}, error="insufficient_scope", scope="${missing.join(' ')}"`;
}
