// Answers as a strict reader sees them: the judge of what an upstream has said, and of what a client was told.
import { type Body, chunkedAt, type Fields, lineAt, sectionAt, sizedAt, type Unread, valuesOf } from './lines.ts';

export interface StrictAnswer {
  readonly status: number;
  readonly fields: Fields;
  readonly body: string;
  readonly state: 'whole' | Unread;
  /** Where it ends in the text. */
  readonly end: number;
}

const STATUS_LINE = /^HTTP\/(1\.[01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/**
 * Reads the final answer at a place, and the interim ones before it.
 * @param isEnded whether the text's end is the connection's
 */
export function strictAnswerAt(text: string, start: number, method: string, isEnded: boolean): StrictAnswer | Unread {
  for (let at = start; ;) {
    const line = lineAt(text, at);
    if (typeof line === 'string') return line;
    const match = STATUS_LINE.exec(line.line);
    if (!match) return 'invalid';
    const section = sectionAt(text, line.end);
    if (typeof section === 'string') return section;
    const status = Number(match[2]);
    const { fields } = section;
    if (status >= 100 && status < 200 && status !== 101) {
      at = section.end;
      continue;
    }
    const body = bodyOf(text, section.end, { method, status, version: match[1]!, fields, isEnded });
    return body === undefined ? 'invalid' : { status, fields, body: body.body, state: body.state, end: body.end };
  }
}

interface AnswerHead {
  readonly method: string;
  readonly status: number;
  readonly version: string;
  readonly fields: Fields;
  readonly isEnded: boolean;
}

/** Undefined for framing that two readers may take differently (RFC 9112 section 6.3). */
function bodyOf(text: string, at: number, { method, status, version, fields, isEnded }: AnswerHead): Body | undefined {
  const codings = valuesOf(fields, 'transfer-encoding');
  const lengths = valuesOf(fields, 'content-length');
  if (codings.length > 1 || (codings.length > 0 && lengths.length > 0)) return undefined;
  const [coding] = codings;
  if (coding !== undefined && (version !== '1.1' || coding.toLowerCase() !== 'chunked')) return undefined;
  const [length] = lengths;
  if (lengths.some((each) => !/^\d{1,15}$/.test(each) || each !== length)) return undefined;
  if (method === 'HEAD' || status === 304 || status === 204 || status === 101) return sizedAt(text, at, 0);
  if (coding !== undefined) return withoutFraming(chunkedAt(text, at));
  if (length !== undefined) return sizedAt(text, at, Number(length));
  return { body: text.slice(at), trailers: [], end: text.length, state: isEnded ? 'whole' : 'incomplete' };
}

/** Trailers that would have framed the body leave open what did. */
function withoutFraming(body: Body): Body {
  const isDoubtful = ['content-length', 'transfer-encoding'].some((name) => valuesOf(body.trailers, name).length > 0);
  return isDoubtful ? { ...body, state: 'invalid' } : body;
}
