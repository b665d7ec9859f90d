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
const BODY = /^[0-9A-Za-z]{49}$/;
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
  return unchecked + checksum(unchecked);
}

/**
 * Tells a minted key's text from an imported one's.
 * @param text the presented text, one character a byte (latin1), as Node hands out field values
 */
export function classifyKeyText(prefix: string, text: string): KeyTextKind {
  if (text.startsWith(`${prefix}_`)) return hasValidChecksum(prefix, text) ? 'minted' : 'malformed';
  const fits = text.length >= IMPORTED_KEY_BYTES.least && text.length <= IMPORTED_KEY_BYTES.most;
  return fits && OPAQUE.test(text) ? 'imported' : 'malformed';
}

/** How a key is shown wherever a person must recognise it: the prefix and the last four characters. */
export function keyHint(prefix: string, text: string): string {
  return text.startsWith(`${prefix}_`) ? `${prefix}_…${text.slice(-4)}` : `…${text.slice(-4)}`;
}

function hasValidChecksum(prefix: string, text: string): boolean {
  if (!BODY.test(text.slice(prefix.length + 1))) return false;
  return checksum(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH);
}

function checksum(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_LENGTH);
}

function base62(value: bigint, length: number): string {
  let digits = '';
  for (let rest = value; digits.length < length; rest /= 62n) digits = ALPHABET[Number(rest % 62n)] + digits;
  return digits;
}
