// What the client is told of an upstream's answer: its end-to-end fields, then ours.
import { FieldFates, HOP_BY_HOP, namedByConnection, withoutNamed } from './field-fates.ts';

/** An answer's head, read once. */
export interface ReturnedHead {
  /** Name, value, name, value; framing is left to whoever writes it, but for a declared length. */
  readonly fields: string[];
  /** Declared bytes of the body, null without a Content-Length. */
  readonly contentLength: number | null;
  readonly isChunked: boolean;
}

/**
 * The fields of an answer whose framing was read and found clear: name, value, name, value.
 * @param received as received
 * @param answerFields ours; they take the place of the upstream's of the same name
 */
export function returnedFields(status: number, received: readonly string[], answerFields: readonly string[]): string[] {
  const fields: string[] = [];
  let named: Set<string> | undefined;
  for (let at = 0; at < received.length; at += 2) {
    const name = received[at]!;
    const value = received[at + 1]!;
    switch (FATES.of(name)) {
      case 'pass':
        if (!isReplaced(name, answerFields)) fields.push(name, value);
        break;
      case 'content-length':
        // A 204 has no body and says nothing of its length (RFC 9110 section 8.6).
        if (status !== 204) fields.push(name, value);
        break;
      case 'connection':
        named = namedByConnection(value, named);
        break;
      default:
    }
  }
  const passed = named ? withoutNamed(fields, named) : fields;
  for (const part of answerFields) passed.push(part);
  return passed;
}

/**
 * Reads the head of an answer that Node parsed; undefined where its framing is one that cannot be passed on.
 * @param rawHeaders name, value, name, value, as received
 * @param answerFields ours; they take the place of the upstream's of the same name
 */
export function readReturnedHead(
  status: number,
  rawHeaders: readonly string[],
  answerFields: readonly string[],
): ReturnedHead | undefined {
  let contentLength: number | null = null;
  let isChunked = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const value = rawHeaders[at + 1]!;
    const fate = FATES.of(rawHeaders[at]!);
    if (fate === 'content-length') {
      if (contentLength !== null || !DIGITS.test(value)) return undefined;
      contentLength = Number(value);
    } else if (fate === 'transfer-encoding') {
      // We offered no other coding; passing on a body in one without its name would corrupt it.
      if (isChunked || value.trim().toLowerCase() !== 'chunked') return undefined;
      isChunked = true;
    }
  }
  if (isChunked && contentLength !== null) return undefined;
  const fields = returnedFields(status, rawHeaders, answerFields);
  const isLengthPassed = fields.some((name, at) => at % 2 === 0 && FATES.of(name) === 'content-length');
  return { fields, contentLength: isLengthPassed || status === 204 ? contentLength : null, isChunked };
}

/** The trailer fields that may be passed on: none that frames, routes or speaks for the gateway (RFC 9110 section 6.5.1). */
export function returnedTrailers(rawTrailers: readonly string[], answerFields: readonly string[]): [string, string][] {
  const trailers: [string, string][] = [];
  for (let at = 0; at < rawTrailers.length; at += 2) {
    const name = rawTrailers[at]!;
    if (FATES.of(name) === 'pass' && !NEVER_TRAILING.has(name.toLowerCase()) && !isReplaced(name, answerFields))
      trailers.push([name, rawTrailers[at + 1]!]);
  }
  return trailers;
}

const DIGITS = /^\d{1,15}$/;

// An exact name here, not any spelling: what the client's own software makes of the rest is not ours to judge.
const FATES = new FieldFates(
  (name) => {
    if (name === 'connection' || name === 'content-length' || name === 'transfer-encoding') return name;
    return HOP_BY_HOP.has(name) ? 'drop' : 'pass';
  },
  [...HOP_BY_HOP, 'content-length'],
);

const NEVER_TRAILING: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'date',
  'expires',
  'host',
  'location',
  'retry-after',
  'set-cookie',
  'www-authenticate',
]);

/** Whether a field of ours has this name. */
function isReplaced(name: string, answerFields: readonly string[]): boolean {
  for (let at = 0; at < answerFields.length; at += 2) {
    const ours = answerFields[at]!;
    if (ours.length === name.length && ours.toLowerCase() === name.toLowerCase()) return true;
  }
  return false;
}
