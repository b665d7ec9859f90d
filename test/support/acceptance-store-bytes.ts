// Looks at a store from behind the product's back, as someone would who got hold of the file or of Redis.
import { readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import type { TestStore } from './acceptance-store.ts';

/** All that the store holds, as bytes in no particular order. */
export async function storedBytes(store: TestStore): Promise<Buffer> {
  if (store.file !== undefined) {
    const { file } = store;
    const names = (await readdir(dirname(file))).filter((name) => name.startsWith(basename(file)));
    return Buffer.concat(await Promise.all(names.map((name) => readFile(join(dirname(file), name)))));
  }
  return withRedis(store, async (redis) => {
    const parts: Buffer[] = [];
    for (const key of await redis.keys('*')) parts.push(Buffer.from(key), ...(await readRedisKey(redis, key)));
    return Buffer.concat(parts);
  });
}

/** Replaces a text by another of the same length wherever the store has it; gives how many values changed. */
export async function rewriteStored(store: TestStore, from: string, to: string): Promise<number> {
  if (from.length !== to.length) throw new RangeError('the texts must be of one length');
  if (store.file !== undefined) return rewriteSqlite(store.file, from, to);
  return withRedis(store, (redis) => rewriteRedis(redis, from, to));
}

async function withRedis<T>(store: TestStore, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(store.url);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function readRedisKey(redis: Redis, key: string): Promise<Buffer[]> {
  const type = await redis.type(key);
  if (type === 'string') return [(await redis.getBuffer(key)) ?? Buffer.alloc(0)];
  if (type === 'hash') return (await redis.callBuffer('HGETALL', key)) as Buffer[];
  if (type === 'set') return redis.smembersBuffer(key);
  if (type === 'zset') return redis.zrangeBuffer(key, '0', '-1');
  if (type === 'list') return redis.lrangeBuffer(key, 0, -1);
  if (type === 'stream') return [Buffer.from(JSON.stringify(await redis.xrange(key, '-', '+')))];
  return [];
}

async function rewriteRedis(redis: Redis, from: string, to: string): Promise<number> {
  let changed = 0;
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    if (type === 'string') {
      const value = (await redis.getBuffer(key)) ?? Buffer.alloc(0);
      if (value.includes(from)) {
        await redis.set(key, replaced(value, from, to), 'KEEPTTL');
        changed++;
      }
    }
    if (type === 'hash') {
      const fields = (await redis.callBuffer('HGETALL', key)) as Buffer[];
      for (let at = 0; at < fields.length; at += 2) {
        const value = fields[at + 1] as Buffer;
        if (!value.includes(from)) continue;
        await redis.hset(key, fields[at] as Buffer, replaced(value, from, to));
        changed++;
      }
    }
  }
  return changed;
}

function rewriteSqlite(file: string, from: string, to: string): number {
  const database = new DatabaseSync(file, { timeout: 5000 });
  try {
    const columns = database
      .prepare(
        "SELECT t.name AS tab, c.name AS col FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'",
      )
      .all() as { tab: string; col: string }[];
    let changed = 0;
    for (const { tab, col } of columns) {
      // A replaced BLOB stays one: the cast back keeps the column's type as it was.
      const update = `UPDATE "${tab}" SET "${col}" = CASE typeof("${col}") WHEN 'blob'
        THEN CAST(replace(CAST("${col}" AS TEXT), ?1, ?2) AS BLOB) ELSE replace("${col}", ?1, ?2) END
        WHERE instr(CAST("${col}" AS TEXT), ?1) > 0`;
      changed += Number(database.prepare(update).run(from, to).changes);
    }
    return changed;
  } finally {
    database.close();
  }
}

function replaced(value: Buffer, from: string, to: string): Buffer {
  return Buffer.from(value.toString('latin1').replaceAll(from, to), 'latin1');
}
