// The text of a key as SPEC section 3 describes it, built without the product.
import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** What secret scanners look for. */
export const KEY_PATTERN = /\bptc_live_[0-9A-Za-z]{49}\b/;

/** A key text with a right checksum that no store knows. */
export function strangerKey(prefix = 'ptc_live'): string {
  const body = `${prefix}_${Array.from({ length: 43 }, () => BASE62[randomInt(62)]).join('')}`;
  return body + checksum(body);
}

/** The six base62 characters that end a key which begins with `body`. */
export function checksum(body: string): string {
  let rest = crc32(body);
  let digits = '';
  while (digits.length < 6) {
    digits = `${BASE62[rest % 62]}${digits}`;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

/** The same text with another last character, so that its checksum is wrong. */
export function mistyped(key: string): string {
  return key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
}
