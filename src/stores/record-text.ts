// How a key record is written in a store, and read back with nothing taken on trust: who can write to the
// store may leave anything there, and what is not exactly a record counts as absent.
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import { KEY_ID_PATTERN, type KeyRecord } from '../core/key-record.ts';

/**
 * The record's one text.
 * @throws {UserFault} for a record that is too large to be kept
 * @throws {TypeError} for one that could not be read back
 */
export function recordText(record: KeyRecord): string {
  const text = JSON.stringify(record);
  if (text.length > BOUNDS.recordBytes)
    throw new UserFault(
      `The record of key ${record.id} takes more than ${BOUNDS.recordBytes / 1024} KiB; give it fewer scopes, networks or meta entries.`,
    );
  if (parseRecord(text) === undefined) throw new TypeError(`the record of key ${record.id} is malformed`);
  return text;
}

/** The record a text holds; `undefined` if it is not one. Its MAC is not looked at. */
export function parseRecord(text: string): KeyRecord | undefined {
  if (text.length > BOUNDS.recordBytes) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const time = z.int().nonnegative();
const texts = z.array(z.string());

const recordSchema: z.ZodType<KeyRecord> = z.object({
  id: z.string().regex(KEY_ID_PATTERN),
  revision: z.int().positive(),
  owner: z.string().nullable(),
  name: z.string().nullable(),
  declared: z.boolean(),
  roles: texts,
  scopes: texts,
  allow: texts,
  deny: texts,
  plan: z.string().nullable(),
  expiresAt: time.nullable(),
  status: z.enum(['active', 'disabled', 'revoked']),
  meta: z.record(z.string(), z.string()),
  createdAt: time,
  updatedAt: time,
  secrets: z.array(
    z.object({
      digest: z.string().min(1),
      hint: z.string().nullable(),
      createdAt: time,
      endsAt: time.nullable(),
      pepper: z.string().min(1).exactOptional(),
    }),
  ),
  mac: z.string(),
});
