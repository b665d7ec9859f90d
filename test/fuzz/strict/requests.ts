// Requests as a strict reader sees them: the judge of what a client has asked for, and of what an upstream was asked.
import {
  type Body,
  chunkedAt,
  type Fields,
  lineAt,
  optionsOf,
  sectionAt,
  sizedAt,
  type Unread,
  valuesOf,
} from './lines.ts';

export interface StrictRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: Fields;
  readonly body: string;
  readonly isWhole: boolean;
  /** An Upgrade that Connection names: what follows is no HTTP any more, if the server agrees. */
  readonly isUpgrade: boolean;
  /** What stands behind an upgrade. */
  readonly rest: string;
  /** Where it ends in the text. */
  readonly end: number;
}

export interface StrictRequests {
  readonly requests: readonly StrictRequest[];
  /** How the reading ended: at the end of the text, in the midst of something, or at a mistake. */
  readonly state: 'whole' | Unread;
}

/** Several spaces may be taken for one (RFC 9112 section 3), and Node's parser does. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e]+) +HTTP\/(1\.[01])$/;

/** Reads requests one after another until the text ends or cannot be read. */
export function strictRequests(text: string, start = 0): StrictRequests {
  const requests: StrictRequest[] = [];
  for (let at = start; ;) {
    // Empty lines before a request line are to be ignored, and a bare LF may end a line (RFC 9112 section 2.2).
    while (text[at] === '\r' || text[at] === '\n') at++;
    if (at >= text.length) return { requests, state: 'whole' };
    const request = requestAt(text, at);
    if (typeof request === 'string') return { requests, state: request };
    requests.push(request);
    if (!request.isWhole) return { requests, state: 'incomplete' };
    at = request.end;
  }
}

function requestAt(text: string, start: number): StrictRequest | Unread {
  const line = lineAt(text, start);
  if (typeof line === 'string') return line;
  const match = REQUEST_LINE.exec(line.line);
  if (!match) return 'invalid';
  const section = sectionAt(text, line.end);
  if (typeof section === 'string') return section;
  const [, method = '', target = '', version = ''] = match;
  const { fields } = section;
  const isUpgrade =
    method === 'CONNECT' ||
    (optionsOf(fields, 'upgrade').length > 0 && optionsOf(fields, 'connection').includes('upgrade'));
  const body = bodyOf(text, section.end, fields, version);
  if (body === undefined) return 'invalid';
  const end = isUpgrade ? text.length : body.end;
  const rest = isUpgrade ? text.slice(body.end) : '';
  return { method, target, version, fields, body: body.body, isWhole: body.state === 'whole', isUpgrade, rest, end };
}

/** Undefined for framing that two readers may take differently (RFC 9112 section 6). */
function bodyOf(text: string, at: number, fields: Fields, version: string): Body | undefined {
  const codings = valuesOf(fields, 'transfer-encoding');
  const lengths = valuesOf(fields, 'content-length');
  if (codings.length + lengths.length > 1) return undefined;
  const [coding] = codings;
  if (coding !== undefined)
    return version === '1.1' && coding.toLowerCase() === 'chunked' ? chunkedAt(text, at) : undefined;
  const [length = '0'] = lengths;
  return /^\d{1,15}$/.test(length) ? sizedAt(text, at, Number(length)) : undefined;
}
