// How an answer's body is delimited: RFC 9112 section 6.3, and a refusal wherever two readers could come to
// different ends.
import type { FieldLines } from './field-lines.ts';

/** Body framings beside a length in bytes. */
export const CHUNKED = -1;
const UNTIL_CLOSE = -2;
/** No framing that can be relied on. */
export const UNCLEAR = -3;

/**
 * The length of an answer's body, bytes, or one of the framings above.
 * @param minor of HTTP/1.`minor`
 * @param isToHead whether HEAD was asked
 */
export function bodyFraming(status: number, minor: number, isToHead: boolean, lines: FieldLines): number {
  if (lines.isFramedOddly) return UNCLEAR;
  const { contentLength, transferEncoding } = lines;
  let declared = UNTIL_CLOSE;
  if (transferEncoding !== null) {
    // No other coding was offered; with a length beside it, or from HTTP/1.0, it is the mark of smuggling (6.1).
    if (contentLength !== null || minor === 0 || !isChunked(transferEncoding)) return UNCLEAR;
    declared = CHUNKED;
  } else if (contentLength !== null) {
    if (!LENGTH.test(contentLength)) return UNCLEAR;
    declared = Number(contentLength);
  }
  // These have no body whatever they say, and one that says otherwise would be read in two ways.
  if (status === 204 || status < 200) return declared === UNTIL_CLOSE || declared === 0 ? 0 : UNCLEAR;
  return isToHead || status === 304 ? 0 : declared;
}

/** Whether the list of a Connection field has an option. */
export function hasOption(connection: string, option: string): boolean {
  if (connection.length < option.length) return false;
  const options = connection.toLowerCase();
  if (options === option) return true;
  return options.includes(',') && options.split(',').some((each) => each.trim() === option);
}

/** Digits only, and few enough to be exact as a number. */
const LENGTH = /^\d{1,15}$/;

function isChunked(transferEncoding: string): boolean {
  return transferEncoding === 'chunked' || transferEncoding.toLowerCase() === 'chunked';
}
