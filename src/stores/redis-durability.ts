// What a crash of this Redis may lose of what was acknowledged, as its settings promise it: said when a gateway starts.
import type { Redis } from 'ioredis';
import { configValue } from './redis-settings.ts';

/** `isWarning`: acknowledged changes of keys may be lost by a crash. */
export interface Notice {
  readonly text: string;
  readonly isWarning: boolean;
}

export async function durabilityNotice(client: Redis): Promise<Notice> {
  const isAppending = await configValue(client, 'appendonly');
  if (isAppending === undefined)
    return {
      text: 'CONFIG is refused, so appendonly, appendfsync and save could not be checked: what a crash of Redis may lose is not known; see what the provider promises, or allow it (ACL: +config|get)',
      isWarning: true,
    };
  if (isAppending === 'yes') return appendingNotice(await configValue(client, 'appendfsync'));
  const save = await configValue(client, 'save');
  return {
    text: save
      ? `a crash of Redis may lose every change of a key since its last snapshot (appendonly is no, save is ${save}); set appendonly yes, with CONFIG SET and in redis.conf`
      : 'a restart of Redis loses all keys (appendonly is no, and save is off); set appendonly yes, with CONFIG SET and in redis.conf',
    isWarning: true,
  };
}

function appendingNotice(fsync: string | undefined): Notice {
  switch (fsync) {
    case 'always':
      return {
        text: 'a crash of Redis loses no change that was acknowledged (appendfsync is always)',
        isWarning: false,
      };
    case 'everysec':
      return {
        text: 'a crash of the machine of Redis may lose up to the last second of changes (appendfsync is everysec); set appendfsync always where none may be lost',
        isWarning: false,
      };
    default:
      return {
        text: `a crash of the machine of Redis may lose what its system has not written yet, often half a minute (appendfsync is ${fsync ?? 'not told'}); set appendfsync everysec or always`,
        isWarning: true,
      };
  }
}
