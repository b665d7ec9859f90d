// Ids of keys that nobody named: `key_`, the moment of creation, then randomness, in lower-case Crockford
// base 32. They sort by age and have no letters that are mistaken for digits.

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_LENGTH = 9;

/** How many random bytes an id takes. */
export const KEY_ID_ENTROPY_BYTES = 7;

/**
 * Makes an id.
 * @param nowMs ms since the epoch
 * @param entropy {@link KEY_ID_ENTROPY_BYTES} random bytes
 */
export function newKeyId(nowMs: number, entropy: Uint8Array): string {
  let time = '';
  for (let rest = nowMs; time.length < TIME_LENGTH; rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time;
  // Five bits of every byte; 32 divides 256, so no character is likelier than another.
  return `key_${time}${Array.from(entropy, (byte) => ALPHABET[byte % 32]).join('')}`;
}
