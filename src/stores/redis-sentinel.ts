// What a Sentinel knows: who is the primary of a name just now, and which other Sentinels there are.
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { placeText, type RedisCredentials, type RedisPlace } from '../core/redis-url.ts';
import { RedisAbsence, type Sighting } from './redis-guides.ts';
import { isRefusedLogin, isUnknownCommand } from './redis-refusal.ts';

const address = z.tuple([z.string(), z.string()]).nullable();
const facts = z.array(z.string());

/**
 * Asks one Sentinel. The credentials of the data nodes are offered to it only if it asks for some.
 * @throws {RedisAbsence} if it is no Sentinel, or none that knows the name
 */
export async function askSentinel(
  client: Redis,
  guide: RedisPlace,
  primary: string,
  credentials: RedisCredentials | undefined,
): Promise<Sighting> {
  try {
    return await sightingOf(client, guide, primary);
  } catch (error) {
    if (!isRefusedLogin(error) || !credentials) throw error;
  }
  const { user, password } = credentials;
  await (user === undefined ? client.auth(password) : client.auth(user, password));
  return await sightingOf(client, guide, primary);
}

async function sightingOf(client: Redis, guide: RedisPlace, primary: string): Promise<Sighting> {
  const found = address.parse(await ask(client, guide, 'get-master-addr-by-name', primary));
  if (!found)
    throw new RedisAbsence(
      `the Sentinel at ${placeText(guide)} knows no primary of the name ${primary}; write the name behind its "sentinel monitor" at the end of store.url`,
      true,
    );
  const [host, port] = found;
  const [master, others] = await Promise.all([
    ask(client, guide, 'master', primary),
    ask(client, guide, 'sentinels', primary),
  ]);
  const known = factsOf(master);
  return {
    place: { host, port: Number(port) },
    epoch: Number(known.get('config-epoch') ?? 0),
    isSwitching: BEFORE_SWITCH.has(known.get('failover-state') ?? ''),
    guides: z
      .array(facts)
      .parse(others)
      .map(factsOf)
      .filter((sentinel) => !sentinel.get('flags')?.includes('down'))
      .flatMap((sentinel) => {
        const sentinelHost = sentinel.get('ip');
        return sentinelHost === undefined ? [] : [{ host: sentinelHost, port: Number(sentinel.get('port')) }];
      }),
  };
}

/** What a Sentinel that leads a failover says of it, until it names the new primary. */
const BEFORE_SWITCH: ReadonlySet<string> = new Set([
  'wait_start',
  'select_slave',
  'send_slaveof_noone',
  'wait_promotion',
]);

async function ask(client: Redis, guide: RedisPlace, question: string, primary: string): Promise<unknown> {
  try {
    return await client.call('sentinel', question, primary);
  } catch (error) {
    if (!isUnknownCommand(error)) throw error;
    throw new RedisAbsence(
      `the server at ${placeText(guide)} is no Sentinel; write redis://${placeText(guide)} for a single Redis, or the Sentinels' addresses (their port is 26379 by default)`,
      true,
    );
  }
}

/** A flat list of names and values, as Sentinel answers with. */
function factsOf(reply: unknown): ReadonlyMap<string, string> {
  const list = facts.parse(reply);
  return new Map(
    list.flatMap((name, index): [string, string][] => (index % 2 === 0 ? [[name, list[index + 1] ?? '']] : [])),
  );
}
