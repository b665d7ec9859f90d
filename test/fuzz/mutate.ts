// Damage to bytes, one character a byte: the kinds that parsers have been known to read differently.
import type { Draw } from './draw.ts';

/** The text with one to `most` mistakes in it, at any place. */
export function mutated(draw: Draw, text: string, most: number): string {
  let damaged = text;
  for (let count = 1 + draw.below(most); count > 0; count--) damaged = damage(draw, damaged);
  return damaged;
}

function damage(draw: Draw, text: string): string {
  const at = draw.below(text.length + 1);
  const to = Math.min(text.length, at + 1 + draw.below(draw.chance(0.3) ? 60 : 6));
  switch (draw.below(10)) {
    case 0:
      return text.slice(0, at) + text.slice(to);
    case 1:
      return text.slice(0, at) + draw.pick(NASTY) + text.slice(at);
    case 2:
      return text.slice(0, at) + draw.pick(NASTY) + text.slice(at + 1);
    case 3:
      return (
        text.slice(0, at) + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << draw.below(8))) + text.slice(at + 1)
      );
    case 4:
      return text.slice(0, to) + text.slice(at, to) + text.slice(to);
    case 5:
      return text.slice(0, at);
    case 6:
      return atLineEnd(draw, text, (end) => draw.pick(LINE_ENDS) + (draw.chance(0.2) ? end : ''));
    case 7:
      return atLineEnd(draw, text, (end) => end + draw.pick(LINES) + end);
    case 8: {
      const other = draw.below(text.length + 1);
      return text.slice(0, at) + text.slice(other, other + draw.below(40)) + text.slice(at);
    }
    default:
      return text.replaceAll(/\d+/g, (digits) => (draw.chance(0.3) ? draw.pick(NUMBERS) : digits));
  }
}

/** Rewrites one of the text's line ends. */
function atLineEnd(draw: Draw, text: string, rewritten: (end: string) => string): string {
  const ends = [...text.matchAll(/\r?\n/g)];
  if (ends.length === 0) return text;
  const { index, 0: end } = draw.pick(ends);
  return text.slice(0, index) + rewritten(end) + text.slice(index + end.length);
}

const NASTY = [
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '9',
  'f',
  '+',
  '-',
  '\x7f',
  '\x80',
  '\x85',
  '\xa0',
  '\xff',
  '\x0b',
  '"',
  '=',
  '/',
  '\\',
  '%',
  '#',
  '?',
  '.',
  '_',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  '%2f',
  '%00',
  '{',
  '[',
  '\x1b',
  '\ufeff',
].map((text) => Buffer.from(text, text === '\ufeff' ? 'utf8' : 'latin1').toString('latin1'));
const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', '', ' \r\n', '\t\r\n', '\0\r\n', '\r\n '];
const LINES = [
  ' folded',
  '\tfolded: yes',
  'Content-Length: 3',
  'Content-Length: 0',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length : 5',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding',
  'Host: other.example',
  'Connection: close',
  'Connection: x-api-key, x-request-id, x-consumer-id, host',
  'Upgrade: h2c',
  'Expect: 100-continue',
  ': no name',
  'X : spaced',
  'Trailer: Content-Length',
  '',
];
const NUMBERS = [
  '0',
  '1',
  '00',
  '5',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '-1',
  '0x5',
  '5.0',
  '1e3',
];
