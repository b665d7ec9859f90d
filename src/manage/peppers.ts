// The peppers in use: the current one seals and hashes, previous ones are still believed. A record that was changed
// while the pepper was is sealed with the current one, and says of each secret not yet moved which pepper it needs.
import type { KeyRecord, Pepper, StoredSecret } from '../core/key-record.ts';

export interface Peppers {
  readonly current: Pepper;
  readonly previous: readonly Pepper[];
}

/** Which pepper a secret can be recognised with: of the configuration's, or none of them. */
export type PepperInUse = 'current' | 'previous' | 'unknown';

/** All peppers, the current one first. */
export function allPeppers({ current, previous }: Peppers): readonly Pepper[] {
  return [current, ...previous];
}

/** The pepper whose holder wrote this record; undefined if none did. */
export function sealerOf(peppers: Peppers, record: KeyRecord): Pepper | undefined {
  return allPeppers(peppers).find((pepper) => pepper.isGenuine(record));
}

/** Whether someone who held one of the peppers wrote this record. */
export function isGenuine(peppers: Peppers, record: KeyRecord): boolean {
  return sealerOf(peppers, record) !== undefined;
}

/** The record with every secret naming its pepper, so that another can seal it. */
export function namingPeppers(record: KeyRecord, sealer: Pepper): KeyRecord {
  return { ...record, secrets: record.secrets.map((secret) => ({ pepper: sealer.id, ...secret })) };
}

/** What a secret of a record needs; `sealer` as of {@link sealerOf}. */
export function pepperInUse({ pepper }: StoredSecret, sealer: Pepper | undefined, peppers: Peppers): PepperInUse {
  const id = sealer && (pepper ?? sealer.id);
  if (id === peppers.current.id) return 'current';
  return peppers.previous.some((each) => each.id === id) ? 'previous' : 'unknown';
}
