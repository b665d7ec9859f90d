// The peppers in use: the current one seals and hashes, previous ones are still believed.
import type { KeyRecord, Pepper } from '../core/key-record.ts';

export interface Peppers {
  readonly current: Pepper;
  readonly previous: readonly Pepper[];
}

/** All peppers, the current one first. */
export function allPeppers({ current, previous }: Peppers): readonly Pepper[] {
  return [current, ...previous];
}

/** Whether someone who held one of the peppers wrote this record. */
export function isGenuine(peppers: Peppers, record: KeyRecord): boolean {
  return allPeppers(peppers).some((pepper) => pepper.isGenuine(record));
}
