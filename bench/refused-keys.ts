// Keys that are refused, by why: what an attacker would like to tell apart by the time that a refusal takes. The texts
// are as long as each other, and the records as large.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Peppers } from '../src/secrets/peppers.ts';
import { openStore } from '../src/stores/open.ts';
import { recordOf } from './gateway-keys.ts';
import { ALLOWED, benchKey, type BenchKey } from './keys.ts';

/** As a gateway mints them, and as imported ones: which of the two a text is can be seen by its prefix. */
export const MINTED = ['unknown', 'revoked', 'disabled', 'expired', 'wrong-last'] as const;
export const IMPORTED = ['imported-unknown', 'imported-revoked', 'imported-wrong-last'] as const;
/** `malformed`: with a wrong checksum, which is no secret, as anyone can work it out. */
export const CLASSES = [...MINTED, ...IMPORTED, 'malformed'] as const;
export type RefusedClass = (typeof CLASSES)[number];

export type RefusedTexts = Readonly<Record<RefusedClass, readonly string[]>>;

/** Writes the records that the classes need. @returns the texts of each class */
export async function storeRefusedKeys(url: string, peppers: Peppers, count: number): Promise<RefusedTexts> {
  const quiet = () => undefined;
  const store = await openStore({
    url,
    prefix: 'portcullis',
    timeoutMs: 30_000,
    clock: Date.now,
    observe: quiet,
    warn: quiet,
  });
  const texts = Object.fromEntries(CLASSES.map((name) => [name, [] as string[]])) as Record<RefusedClass, string[]>;
  for (let at = 0; at < count; at++) {
    const key = (name: string) => benchKey(`${name}-${String(at).padStart(6, '0')}`);
    const [revoked, disabled, expired, active] = [key('revoked'), key('disabld'), key('expired'), key('active1')];
    const [opaque, opaqueRevoked] = [imported(key('opaque1')), imported(key('opaque2'))];
    const record = (each: BenchKey) => recordOf(each, peppers, ALLOWED);
    const { current } = peppers;
    const records = [
      current.seal({ ...record(revoked), status: 'revoked' }),
      current.seal({ ...record(disabled), status: 'disabled' }),
      current.seal({ ...record(expired), expiresAt: Date.now() - 1_000 }),
      current.seal({ ...record(opaqueRevoked), status: 'revoked' }),
      record(active),
      record(opaque),
    ];
    await Promise.all(records.map((each) => store.keys.save(each, 0)));
    texts.unknown.push(key('unknown').text);
    texts.revoked.push(revoked.text);
    texts.disabled.push(disabled.text);
    texts.expired.push(expired.text);
    texts['wrong-last'].push(withChecksum(otherLast(active.text.slice(0, -CHECKSUM))));
    texts['imported-unknown'].push(imported(key('opaque3')).text);
    texts['imported-revoked'].push(opaqueRevoked.text);
    texts['imported-wrong-last'].push(otherLast(opaque.text));
    texts.malformed.push(otherLast(active.text));
  }
  await store.close();
  return alikeInMemory(texts, count);
}

/** However a text was put together, and whatever its class, it lies in memory like the others and between them. */
function alikeInMemory(texts: RefusedTexts, count: number): RefusedTexts {
  const copies = Object.fromEntries(CLASSES.map((name) => [name, [] as string[]])) as Record<RefusedClass, string[]>;
  for (let at = 0; at < count; at++) for (const name of CLASSES) copies[name].push(asReceived(texts[name][at]!));
  return copies;
}

/** A text as a request brings it: new, so that where others lie in memory tells nothing. */
export function asReceived(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

const CHECKSUM = 6;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function otherLast(text: string): string {
  return text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
}

function withChecksum(body: string): string {
  let digits = '';
  for (let rest = crc32(body); digits.length < CHECKSUM; rest = Math.floor(rest / 62))
    digits = DIGITS[rest % 62] + digits;
  return body + digits;
}

/** The same with an opaque text as long as a minted one. */
function imported(key: BenchKey): BenchKey {
  const { length } = key.text;
  return { ...key, text: createHash('sha256').update(key.text).digest('hex').slice(0, length).padEnd(length, 'x') };
}
