// Very many keys into a Redis, in a few large commands: one by one, as the store writes them, would take minutes. What
// is written is the same: sealed records, their digests and the indexes.
import { Redis } from 'ioredis';
import { readConfig } from '../src/config/load.ts';
import type { ConfigInput } from '../src/config/schema.ts';
import { openPeppers } from '../src/secrets/peppers.ts';
import { redisNames } from '../src/stores/redis-names.ts';
import { GATEWAY_ENV } from './gateway-config.ts';
import { recordOf } from './gateway-keys.ts';
import { ALLOWED, type BenchKey } from './keys.ts';
import type { BenchRedis } from './redis.ts';

const AT_ONCE = 1_000;

/** @returns how long it took, seconds */
export async function fillRedis(redis: BenchRedis, input: ConfigInput, keys: Iterable<BenchKey>): Promise<number> {
  const from = performance.now();
  const { config } = await readConfig(input, GATEWAY_ENV);
  const peppers = await openPeppers(config, GATEWAY_ENV);
  const names = redisNames(config.store.prefix);
  const client = new Redis(redis.port, '127.0.0.1');
  let texts: string[] = [];
  let ids: (string | number)[] = [];
  let active: (string | number)[] = [];
  const write = async () => {
    if (ids.length === 0) return;
    const pipeline = client
      .pipeline()
      .mset(texts)
      .zadd(names.ids, ...ids)
      .zadd(names.active, ...active);
    [texts, ids, active] = [[], [], []];
    for (const [fault] of (await pipeline.exec()) ?? []) if (fault) throw fault;
  };
  for (const key of keys) {
    const record = recordOf(key, peppers, ALLOWED);
    texts.push(names.record + key.id, JSON.stringify(record), names.digest + record.secrets[0]!.digest, key.id);
    ids.push(0, key.id);
    active.push('+inf', key.id);
    if (ids.length >= AT_ONCE * 2) await write();
  }
  await write();
  client.disconnect();
  return (performance.now() - from) / 1000;
}
