// What a node of a Cluster knows: which node serves the one slot that all our keys are in.
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { placeText, type RedisPlace } from '../core/redis-url.ts';
import { RedisAbsence, type Sighting } from './redis-guides.ts';
import { isUnknownCommand } from './redis-refusal.ts';

const node = z.tuple([z.string().nullable(), z.int(), z.string()]).rest(z.unknown());
const ranges = z.array(z.tuple([z.int(), z.int()]).rest(node));

/**
 * Asks one node.
 * @param tag the hash tag of all our keys, without its braces
 * @throws {RedisAbsence} if it is no node of a Cluster, or of one that does not serve the slot
 */
export async function askClusterNode(client: Redis, guide: RedisPlace, tag: string): Promise<Sighting> {
  const [slot, info, slots, nodes] = await Promise.all([
    ask(client, guide, 'keyslot', tag),
    ask(client, guide, 'info'),
    ask(client, guide, 'slots'),
    ask(client, guide, 'nodes'),
  ]);
  const [, state = 'unknown'] = /^cluster_state:(\w+)/m.exec(String(info)) ?? [];
  if (state !== 'ok')
    throw new RedisAbsence(
      `the Cluster at ${placeText(guide)} is not formed or is down (its cluster_state is ${state}); see redis-cli --cluster check ${placeText(guide)}`,
      false,
    );
  const known = ranges.parse(slots);
  const range = known.find(([from, to]) => from <= Number(slot) && Number(slot) <= to);
  const owner = range?.[2];
  if (!owner)
    throw new RedisAbsence(
      `no node of the Cluster at ${placeText(guide)} serves slot ${String(slot)}, where Portcullis's keys belong; see redis-cli --cluster fix ${placeText(guide)}`,
      false,
    );
  return {
    place: placeOf(owner, guide),
    epoch: epochOf(String(nodes), owner[2]),
    guides: known.flatMap(([, , ...servers]) => servers.map((server) => placeOf(server, guide))),
    // A node hands over only what it has taken whole.
    isSwitching: false,
  };
}

async function ask(client: Redis, guide: RedisPlace, question: string, ...words: string[]): Promise<unknown> {
  try {
    return await client.call('cluster', question, ...words);
  } catch (error) {
    if (!isUnknownCommand(error)) throw error;
    throw new RedisAbsence(
      `the server at ${placeText(guide)} is no node of a Cluster (cluster mode is off); write redis://${placeText(guide)} for a single Redis, or set cluster-enabled yes and form the Cluster`,
      true,
    );
  }
}

/** A node that does not know its own address is at the one where it was asked. */
function placeOf([host, port]: z.infer<typeof node>, guide: RedisPlace): RedisPlace {
  return { host: host === null || host === '' || host === '?' ? guide.host : host, port };
}

/** The configuration epoch of a node: of two that claim a slot, the one with the higher epoch has it. */
function epochOf(nodes: string, id: string): number {
  const line = nodes.split('\n').find((text) => text.startsWith(`${id} `));
  return Number(line?.split(' ')[6] ?? 0);
}
