// The text of an API key: `PREFIX_` + 43 base62 characters (256 random bits) + 6 base62 characters of
// CRC-32 over what stands before (SPEC section 3). The checksum lets typing errors and scanners' false
// finds be refused before any hashing or look-up; it is no protection by itself.
import { crc32 } from 'node:zlib';

/** How a presented text reads before anything is looked up. */
export type KeyTextKind = 'minted' | 'imported' | 'malformed';

/** Bounds of an imported key's text, in bytes. */
export const IMPORTED_KEY_BYTES = { least: 16, most: 512 } as const;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
// Anything but control characters; one character a byte, as Node hands out field values.
const OPAQUE = /^[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/;

/**
 * Mints a key's text.
 * @param prefix the first part, such as `ptc_live`
 * @param entropy 32 random bytes
 */
export function mintKeyText(prefix: string, entropy: Uint8Array): string {
  if (entropy.length !== 32) throw new RangeError('a key takes exactly 32 random bytes');
  const unchecked = `${prefix}_${base62(BigInt(`0x${Buffer.from(entropy).toString('hex')}`), SECRET_LENGTH)}`;
  return unchecked + base62(BigInt(crc32(unchecked)), CHECKSUM_LENGTH);
}

/**
 * Tells a minted key's text from an imported one's.
 * @param text the presented text, one character a byte (latin1), as Node hands out field values
 */
export function classifyKeyText(prefix: string, text: string): KeyTextKind {
  if (hasPrefix(prefix, text)) return hasValidChecksum(prefix, text) ? 'minted' : 'malformed';
  const fits = text.length >= IMPORTED_KEY_BYTES.least && text.length <= IMPORTED_KEY_BYTES.most;
  return fits && OPAQUE.test(text) ? 'imported' : 'malformed';
}

/** Whether a text is a minted key, whatever its prefix: one that was minted before the prefix was changed, too. */
export function isMintedText(text: string): boolean {
  return hasValidChecksum(text.slice(0, Math.max(0, text.lastIndexOf('_'))), text);
}

/** How a key is shown wherever a person must recognise it: the prefix and the last four characters. */
export function keyHint(prefix: string, text: string): string {
  return hasPrefix(prefix, text) ? `${prefix}_…${text.slice(-4)}` : `…${text.slice(-4)}`;
}

/**
 * A text of a client's without what looks like a minted key, whatever its prefix: who puts a key in a path or another
 * place where it does not belong is not to find it in a log.
 */
export function withoutKeyTexts(text: string): string {
  if (text.length <= SECRET_LENGTH + CHECKSUM_LENGTH || !text.includes('_')) return text;
  return text.replace(KEY_SHAPED, '_…');
}

/** With whatever a client has written on to it. */
const KEY_SHAPED = /_[0-9A-Za-z]{49,}/g;

function hasPrefix(prefix: string, text: string): boolean {
  return text.startsWith(prefix) && text.charCodeAt(prefix.length) === UNDERSCORE;
}

const UNDERSCORE = 0x5f;

/** Every request comes by here, so this takes no big numbers and no regular expression. */
function hasValidChecksum(prefix: string, text: string): boolean {
  const body = prefix.length + 1;
  if (text.length !== body + SECRET_LENGTH + CHECKSUM_LENGTH) return false;
  for (let at = body; at < text.length; at++) {
    if (digitAt(text, at) === NO_DIGIT) return false;
  }
  let rest = crc32(text.slice(0, body + SECRET_LENGTH));
  for (let at = text.length - 1; at >= body + SECRET_LENGTH; at--) {
    if (digitAt(text, at) !== rest % 62) return false;
    rest = Math.floor(rest / 62);
  }
  return true;
}

const NO_DIGIT = 62;
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = ALPHABET.indexOf(String.fromCharCode(code));
  return digit === -1 ? NO_DIGIT : digit;
});

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? DIGITS[code]! : NO_DIGIT;
}

function base62(value: bigint, length: number): string {
  let digits = '';
  for (let rest = value; digits.length < length; rest /= 62n) digits = ALPHABET[Number(rest % 62n)] + digits;
  return digits;
}
