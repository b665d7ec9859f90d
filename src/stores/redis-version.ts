// Which Redis this is, and whether that is one that has what is asked of it: streams, scripts that see the time and write,
// and users with passwords are older than 6.2, which is the least that is promised to work.
import type { Redis } from 'ioredis';
import { infoField } from './redis-settings.ts';

/** The least version, and the major one that the tests run on. */
const LEAST = [6, 2] as const;
const TESTED = 7;

/** Why a server is refused for its version, as a sentence with the cure; undefined if it is not, or does not tell. */
export async function versionRefusal(client: Redis, address: string): Promise<string | undefined> {
  const version = await infoField(client, 'server', 'redis_version');
  if (version === undefined) return undefined;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return undefined;
  return `Redis at ${address} is version ${version}, and Portcullis needs ${LEAST.join('.')} or later; upgrade it.`;
}

/** What is to be known of a version that is not refused; undefined if there is nothing. */
export async function versionNotice(client: Redis): Promise<string | undefined> {
  const version = await infoField(client, 'server', 'redis_version');
  if (version === undefined)
    return 'INFO is refused, so the version of Redis could not be checked; allow it (ACL: +info)';
  const name = (await infoField(client, 'server', 'server_name')) ?? 'redis';
  if (name === 'redis' && Number(version.split('.')[0]) === TESTED) return undefined;
  const own = await infoField(client, 'server', `${name}_version`);
  return `Portcullis is tested with Redis ${TESTED}, not with ${name} ${own ?? version}; try it before you rely on it, or run Redis ${TESTED}`;
}
