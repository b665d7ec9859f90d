// Whether a server may hold our keys. A Redis that evicts keys when its memory is full would forget API keys and
// limits in silence, so it is refused, at the start and whenever a connection is made anew; and one that cannot take
// changes, because it was demoted or cut off, does not know of those that others take.
import type { Redis } from 'ioredis';
import { isReply, lacksReplicas, refusalOf } from './redis-refusal.ts';
import { configValue, infoField } from './redis-settings.ts';

/**
 * Why the server is refused for its `maxmemory-policy`, as a sentence with the cure; undefined if it is not. Where
 * CONFIG is forbidden or renamed, INFO tells the policy.
 */
export async function evictionRefusal(client: Redis, address: string): Promise<string | undefined> {
  const policy =
    (await configValue(client, 'maxmemory-policy')) ?? (await infoField(client, 'memory', 'maxmemory_policy'));
  if (policy === 'noeviction') return undefined;
  if (policy === undefined)
    return `Redis at ${address} does not tell its maxmemory-policy; let the user run CONFIG GET or INFO (ACL: +config|get or +info).`;
  return `Redis at ${address} would evict keys (maxmemory-policy is ${policy}); set it with CONFIG SET maxmemory-policy noeviction, and in redis.conf.`;
}

/**
 * Why the server is refused for the database that store.url names, as a sentence with the cure; undefined if it has it.
 * The client selects it when it connects and goes on in database 0 where that is refused, which is another store.
 * @throws {Error} if the connection is lost
 */
export async function databaseRefusal(client: Redis, address: string): Promise<string | undefined> {
  const { db = 0 } = client.options;
  if (db === 0) return undefined;
  try {
    await client.select(db);
    return undefined;
  } catch (error) {
    if (!isReply(error)) throw error;
    return `Redis at ${address} refuses database ${db} (${error.message}); correct the number in store.url, or allow it (databases in redis.conf; ACL: +select).`;
  }
}

/**
 * Asks for a change that changes nothing. What the server refuses it with if it does not serve as the primary, or
 * not with as many replicas as it has to have (`min-replicas-to-write`); undefined if it would take a change.
 * @param stream name of the change feed's stream
 */
export async function changeRefusal(client: Redis, stream: string): Promise<Error | undefined> {
  try {
    await client.xdel(stream, NO_ENTRY);
  } catch (error) {
    const kind = refusalOf(error)?.kind;
    if (kind === 'moved' || kind === 'unfit' || lacksReplicas(error)) return error as Error;
    // A slot on its way elsewhere is still served from here; rights, memory and types are another matter.
    if (!isReply(error)) throw error;
  }
  return undefined;
}

/** An id that no entry of a stream can have. */
const NO_ENTRY = '0-0';
