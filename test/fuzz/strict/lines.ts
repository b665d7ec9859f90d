// The parts that requests and answers share, read as RFC 9110 and RFC 9112 have it and not a bit laxer. Works on whole
// texts, one character a byte, and shares nothing with what it judges.

/** Name, value, name, value: names as sent, values without the whitespace around them. */
export type Fields = readonly string[];

export interface Section {
  readonly fields: Fields;
  /** Behind the empty line. */
  readonly end: number;
}

/** There is not enough text, or it cannot be read. */
export type Unread = 'incomplete' | 'invalid';

const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;

/** A line up to its CRLF, and where the next begins. */
export function lineAt(text: string, at: number): { readonly line: string; readonly end: number } | Unread {
  const end = text.indexOf('\r\n', at);
  if (end === -1) return /\n|\r[^]/.test(text.slice(at)) || text.includes('\0', at) ? 'invalid' : 'incomplete';
  const line = text.slice(at, end);
  return /[\r\n]/.test(line) || line.includes('\0') ? 'invalid' : { line, end: end + 2 };
}

/** Field lines up to the empty line (RFC 9112 section 5; no folding). */
export function sectionAt(text: string, start: number): Section | Unread {
  const fields: string[] = [];
  for (let at = start; ;) {
    const read = lineAt(text, at);
    if (typeof read === 'string') return read;
    at = read.end;
    if (read.line === '') return { fields, end: at };
    const match = FIELD.exec(read.line);
    if (!match) return 'invalid';
    fields.push(match[1]!, match[2]!);
  }
}

/** All values of a field. */
export function valuesOf(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < fields.length; at += 2) if (fields[at]!.toLowerCase() === name) values.push(fields[at + 1]!);
  return values;
}

/** The elements of a comma-separated field, in lower case. */
export function optionsOf(fields: Fields, name: string): string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.toLowerCase().split(','))
    .map((option) => option.trim())
    .filter((option) => option !== '');
}

export interface Body {
  readonly body: string;
  readonly trailers: Fields;
  /** Behind it; of an unfinished one, the end of the text. */
  readonly end: number;
  readonly state: 'whole' | Unread;
}

const CHUNK = /^([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

/** A chunked body (RFC 9112 section 7.1); as much of it as can be read. */
export function chunkedAt(text: string, start: number): Body {
  let body = '';
  const over = (state: Body['state'], end: number, trailers: Fields = []): Body => ({ body, trailers, end, state });
  for (let at = start; ;) {
    const read = lineAt(text, at);
    if (typeof read === 'string') return over(read, text.length);
    const size = CHUNK.exec(read.line)?.[1];
    if (size === undefined) return over('invalid', text.length);
    at = read.end;
    const length = Number.parseInt(size, 16);
    if (length === 0) {
      const section = sectionAt(text, at);
      return typeof section === 'string' ? over(section, text.length) : over('whole', section.end, section.fields);
    }
    body += text.slice(at, at + length);
    at += length;
    if (at + 2 > text.length) return over('\r\n'.startsWith(text.slice(at)) ? 'incomplete' : 'invalid', text.length);
    if (text.slice(at, at + 2) !== '\r\n') return over('invalid', text.length);
    at += 2;
  }
}

/** A body of a declared length. */
export function sizedAt(text: string, start: number, length: number): Body {
  const body = text.slice(start, start + length);
  return { body, trailers: [], end: start + body.length, state: body.length === length ? 'whole' : 'incomplete' };
}
