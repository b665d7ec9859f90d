// Whether a store is the one that was known, and has gone on from where it was: told by its epoch, a random name that it
// got when it was first used, and by its last change that was seen, which has to be there still. A store that was
// flushed, restored from an older copy or mixed up with another one differs in one of them.
import type { Lineage } from '../core/ports.ts';

/** What a store shows of its history just now. */
export interface Sight {
  /** Null where it has none. */
  readonly epoch: string | null;
  /** The last change; null if there was never any. */
  readonly last: Omit<Lineage, 'epoch'> | null;
  /** Number of the oldest change that is still kept; null if there is none. */
  readonly oldest: number | null;
  /** The mark of what stands where the last change stood that was seen; null if nothing does. */
  readonly markSeen: string | null;
}

/** Where nothing was seen yet. */
export const BEFORE_ALL: Omit<Lineage, 'epoch'> = { generation: 0, at: '', mark: '' };

/** Why a store is not the known one, as a clause of a sentence; undefined if it is, or if none is known. */
export function doubtOf(known: Lineage | undefined, sight: Sight): string | undefined {
  if (known === undefined) return undefined;
  if (known.epoch !== null && sight.epoch !== null && sight.epoch !== known.epoch)
    return 'it has another epoch: it was flushed and used again, or store.url leads to another database';
  if (!isContinued(known, sight))
    return sight.last === null
      ? 'it is empty: it was flushed, lost what it held at a restart, or store.url leads to another database'
      : 'it lacks changes that were seen: an older copy was restored, or a replica took over that had not received them';
  if (sight.epoch === null && known.epoch !== null && !showsSeen(known, sight))
    return 'it has lost its epoch: it was flushed and used again by an earlier version, or store.url leads to another database';
  return undefined;
}

/** The epoch that a store without one is to get: its own again, if it is plainly the known one, and none if it is not. */
export function epochFor(known: Lineage | undefined, sight: Sight, fresh: () => string): string | undefined {
  if (sight.epoch !== null || doubtOf(known, sight) !== undefined) return undefined;
  return known?.epoch ?? fresh();
}

/** Whether the last change that was seen is still there, or was trimmed away behind newer ones. */
function isContinued(known: Lineage, sight: Sight): boolean {
  if (showsSeen(known, sight)) return true;
  return sight.markSeen === null && sight.oldest !== null && sight.oldest > known.generation;
}

/** Whether what was seen is what stands there: the change itself, or that there is none. */
function showsSeen(known: Lineage, sight: Sight): boolean {
  return known.at === '' ? sight.last === null : sight.markSeen === known.mark;
}
