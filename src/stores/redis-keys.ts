// Key records in Redis: a text a record, an index from digest to id, and sorted sets to list and count by.
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type { KeyRecord, KeyState } from '../core/key-record.ts';
import type { Found, KeyStore } from '../core/ports.ts';
import { parseRecord, recordText } from './record-text.ts';
import type { RedisConnection } from './redis-connection.ts';
import { COUNT, FIND, LIST, READ, SAVE } from './redis-keys-scripts.ts';
import type { RedisNames } from './redis-names.ts';
import type { Warn } from './settings.ts';

const nullableText = z.string().nullable();
const texts = z.array(z.string());
const batch = z.tuple([texts, texts]);
const counts = z.tuple([z.int(), z.int(), z.int(), z.int()]);

export class RedisKeys implements KeyStore {
  readonly #redis: RedisConnection;
  readonly #names: RedisNames;
  readonly #warn: Warn;

  constructor(redis: RedisConnection, names: RedisNames, warn: Warn) {
    this.#redis = redis;
    this.#names = names;
    this.#warn = warn;
  }

  async findByDigest(digests: readonly string[]): Promise<Found> {
    const keys = digests.map((digest) => this.#names.digest + digest);
    const reply = await this.#redis.script('find', FIND, keys, [this.#names.record]);
    for (const text of expect('find', texts, reply)) {
      const record = this.#read(text);
      // The index is only a hint: the record itself has to hold the digest.
      if (record?.secrets.some(({ digest }) => digests.includes(digest))) return record;
      if (record) this.#warn('a digest in Redis leads to a key that does not hold it', { key: record.id });
    }
    return 'absent';
  }

  async get(id: string): Promise<Found> {
    const reply = await this.#redis.script('get', READ, [this.#names.record + id], []);
    const text = expect('get', nullableText, reply);
    return text === null ? 'absent' : (this.#read(text, id) ?? 'absent');
  }

  async save(record: KeyRecord, expected: number): Promise<'saved' | 'conflict'> {
    const { active, disabled, revoked, ids, changes } = this.#names;
    const sets = { active, disabled, revoked };
    const others = Object.values(sets).filter((name) => name !== sets[record.status]);
    const reply = await this.#redis.script(
      'save',
      SAVE,
      [
        this.#names.record + record.id,
        ids,
        sets[record.status],
        ...others,
        changes,
        ...record.secrets.map(({ digest }) => this.#names.digest + digest),
      ],
      [record.id, expected, recordText(record), record.expiresAt ?? '+inf', this.#names.digest, BOUNDS.changeLogLength],
    );
    return reply === 1 ? 'saved' : 'conflict';
  }

  async *list(filter: { readonly owner?: string } = {}): AsyncGenerator<KeyRecord> {
    const { owner } = filter;
    for (let from = '-'; ;) {
      const reply = await this.#redis.script(
        'list',
        LIST,
        [this.#names.ids],
        [from, BOUNDS.listBatch, this.#names.record],
      );
      const [ids, records] = expect('list', batch, reply);
      for (const [index, id] of ids.entries()) {
        const record = this.#read(records[index] ?? '', id);
        if (record && (owner === undefined || record.owner === owner)) yield record;
      }
      const last = ids.at(-1);
      if (last === undefined || ids.length < BOUNDS.listBatch) return;
      from = `(${last}`;
    }
  }

  async countByState(nowMs: number): Promise<Readonly<Record<KeyState, number>>> {
    const { active, disabled, revoked } = this.#names;
    const reply = await this.#redis.script('count', COUNT, [active, disabled, revoked], [nowMs]);
    const [withActive, expired, disabledCount, revokedCount] = expect('count', counts, reply);
    return { active: withActive - expired, expired, disabled: disabledCount, revoked: revokedCount };
  }

  /** The record of a text, if it is one, and the one asked for. */
  #read(text: string, id?: string): KeyRecord | undefined {
    const record = parseRecord(text);
    if (record && (id === undefined || record.id === id)) return record;
    this.#warn('a key record in Redis cannot be read and counts as absent', id === undefined ? {} : { key: id });
    return undefined;
  }
}

function expect<T>(operation: string, shape: z.ZodType<T>, reply: unknown): T {
  const parsed = shape.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw new StoreFault(operation, 'Redis answered with something that is not an answer', parsed.error);
}
