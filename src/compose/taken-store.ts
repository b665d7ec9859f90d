// What a gateway says of the store that it takes as it is: whoever restarts it in front of a store that was flushed or
// restored can see from that line what was taken.
import type { Store } from '../core/ports.ts';
import type { Log } from '../record/log.ts';

/** Says it once the store is seen. A store that fails then is told of elsewhere. */
export async function sayTaken(
  { taken, keys }: Pick<Store, 'taken' | 'keys'>,
  log: Pick<Log, 'info' | 'warn'>,
): Promise<void> {
  const { epoch, generation } = await taken;
  try {
    const counts = await keys.countByState(Date.now());
    const held = Object.values(counts).reduce((sum, count) => sum + count, 0);
    log.info('the store is taken as it is', { epoch, generation, keys: counts });
    // No key is ever deleted, and every key came by a change.
    if (generation > 0 && held === 0)
      log.warn('the store has a history of changes but holds no key: its keys were deleted; restore a backup', {
        generation,
      });
    else if (generation === 0 && held > 0)
      log.warn(
        'the store holds keys but no history of changes: part of it was deleted; restore a backup, or see with `portcullis keys list` that all is there',
        { keys: held },
      );
  } catch (fault) {
    log.warn('the keys in the store could not be counted', { epoch, generation, fault });
  }
}
