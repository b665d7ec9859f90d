// Key records in Redis: a text a record, an index from digest to id, and sorted sets to list and count by.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { BOUNDS } from '../core/bounds.ts';
import { StoreFault } from '../core/fault.ts';
import type { KeyRecord, KeyState } from '../core/key-record.ts';
import type { Found, KeyStore } from '../core/ports.ts';
import type { StoreOperation } from './operations.ts';
import { parseRecord, recordText } from './record-text.ts';
import type { RedisConnection, Step } from './redis-connection.ts';
import type { KnownStore } from './known-store.ts';
import { doubtOf } from './lineage.ts';
import { changeRefusal } from './redis-fitness.ts';
import { newEpoch, seeRedis } from './redis-history.ts';
import { COUNT, FIND, knownValues, LIST, NOT_KNOWN, READ, SAVE } from './redis-keys-scripts.ts';
import type { RedisNames } from './redis-names.ts';
import { isKeyElsewhere, isReply, refusalOf } from './redis-refusal.ts';
import { isReplicated } from './redis-replicas.ts';
import type { Warn } from './settings.ts';

const nullableText = z.string().nullable();
const texts = z.array(z.string());
const batch = z.tuple([texts, texts, z.int()]);
const counts = z.tuple([z.int(), z.int(), z.int(), z.int()]);

export class RedisKeys implements KeyStore {
  readonly #redis: RedisConnection;
  readonly #writer: RedisConnection;
  readonly #names: RedisNames;
  readonly #known: KnownStore;
  readonly #warn: Warn;

  /** @param writer a connection for changes, opened at the first: they wait for a replica, and nothing else may */
  constructor(redis: RedisConnection, writer: RedisConnection, names: RedisNames, known: KnownStore, warn: Warn) {
    this.#redis = redis;
    this.#writer = writer;
    this.#names = names;
    this.#known = known;
    this.#warn = warn;
  }

  async findByDigest(digests: readonly string[]): Promise<Found> {
    const keys = digests.map((digest) => this.#names.digest + digest);
    const found = await this.#redis.runSteps('find', async (step) => {
      try {
        const { record, changes, epoch } = this.#names;
        const values = [record, changes, epoch, ...knownValues(this.#known.lineage)];
        return await step((client) => FIND.run(client, keys, values), FIND.follows);
      } catch (error) {
        if (!isBetweenNodes(error)) throw error;
        return await this.#findOneByOne(step, keys);
      }
    });
    if (found === NOT_KNOWN) throw notTheKnown('find');
    for (const text of expect('find', texts, found)) {
      const record = this.#read(text);
      // The index is only a hint: the record itself has to hold the digest.
      if (record?.secrets.some(({ digest }) => digests.includes(digest))) return record;
      if (record) this.#warn('a digest in Redis leads to a key that does not hold it', { key: record.id });
    }
    return 'absent';
  }

  async get(id: string): Promise<Found> {
    const reply = await this.#redis.runSteps('get', async (step) => {
      const read = await step((client) => READ.run(client, [this.#names.record + id], []), READ.follows);
      // Behind the look-up: a store that is not the known one does not become it again.
      await this.#assertKnown('get', step);
      return read;
    });
    const text = expect('get', nullableText, reply);
    return text === null ? 'absent' : (this.#read(text, id) ?? 'absent');
  }

  async save(record: KeyRecord, expected: number): Promise<'saved' | 'conflict'> {
    const { active, disabled, revoked, ids, changes, epoch } = this.#names;
    const sets = { active, disabled, revoked };
    const others = Object.values(sets).filter((name) => name !== sets[record.status]);
    const keys = [
      this.#names.record + record.id,
      ids,
      sets[record.status],
      ...others,
      changes,
      epoch,
      ...record.secrets.map(({ digest }) => this.#names.digest + digest),
    ];
    const score = record.expiresAt ?? '+inf';
    const text = recordText(record);
    const mark = randomBytes(8).toString('hex');
    const { digest } = this.#names;
    const values = [record.id, expected, text, score, digest, BOUNDS.changeLogLength, newEpoch(), mark];
    let isSent = false;
    const saving = this.#redis.runSteps('save', async () => {
      const node = await this.#writer.opened().catch(refusedBySwitch);
      return await this.#writer.send(async (client) => {
        isSent = true;
        const saved = await SAVE.run(client, keys, [...values, ...knownValues(this.#known.lineage)]);
        if (saved === NOT_KNOWN) throw notTheKnown('save');
        if (saved !== 1) return 'conflict';
        if (!(await isReplicated(client, this.#writer.replicaWaitMs, this.#writer.hasStandBys)))
          this.#warn('a key was changed, but no replica of Redis has confirmed it; a failover now would undo it', {
            key: record.id,
          });
        // What was taken by a primary that is put aside is lost with it, though a replica confirmed it that follows another by now.
        const nodeNow = await this.#writer.serving().catch(() => null);
        const isAside = nodeNow === null || (nodeNow !== undefined && node !== undefined && nodeNow !== node);
        if (isAside) throw takenAside();
        return 'saved';
      }, SAVE.follows);
    });
    return await saving.catch((fault: unknown) => {
      throw isSent && isUnanswered(fault) ? unanswered(record.id, fault) : fault;
    });
  }

  async *list(filter: { readonly owner?: string } = {}): AsyncGenerator<KeyRecord> {
    const { owner } = filter;
    for (let from = '-', before = Buffer.alloc(0); ;) {
      const reply = await this.#redis.script(
        'list',
        LIST,
        [this.#names.ids],
        [from, BOUNDS.listBatch, this.#names.record],
      );
      const [ids, records, found] = expect('list', batch, reply);
      for (const [index, id] of ids.entries()) {
        const record = this.#read(records[index] ?? '', id);
        if (record && (owner === undefined || record.owner === owner)) yield record;
      }
      const last = ids.at(-1);
      if (last === undefined || (ids.length === found && found < BOUNDS.listBatch)) return;
      const lastBytes = Buffer.from(last);
      // Ids that somebody else wrote there may stand in no order, and would be listed without end.
      if (lastBytes.compare(before) <= 0) throw new StoreFault('list', idsOutOfOrder(this.#names.ids), undefined, true);
      before = lastBytes;
      from = `(${last}`;
    }
  }

  async countByState(nowMs: number): Promise<Readonly<Record<KeyState, number>>> {
    const { active, disabled, revoked } = this.#names;
    const reply = await this.#redis.script('count', COUNT, [active, disabled, revoked], [nowMs]);
    const [withActive, expired, disabledCount, revokedCount] = expect('count', counts, reply);
    return { active: withActive - expired, expired, disabled: disabledCount, revoked: revokedCount };
  }

  /** While the slot is on its way to another node: each key is asked for where it is just now. */
  async #findOneByOne(step: Step, keys: readonly string[]): Promise<string[]> {
    await step(async (client) => {
      const refusal = await changeRefusal(client, this.#names.changes);
      if (refusal) throw refusal;
    });
    await this.#assertKnown('find', step);
    const get = async (key: string): Promise<string> =>
      expect('find', nullableText, await step((client) => READ.run(client, [key], []), READ.follows)) ?? '';
    const found: string[] = [];
    for (const key of keys) {
      const id = await get(key);
      if (id !== '') found.push(await get(this.#names.record + id));
    }
    return found;
  }

  async #assertKnown(operation: StoreOperation, step: Step): Promise<void> {
    const known = this.#known.lineage;
    if (known && doubtOf(known, await seeRedis(this.#names, known, step)) !== undefined) throw notTheKnown(operation);
  }

  /** The record of a text, if it is one, and the one asked for. */
  #read(text: string, id?: string): KeyRecord | undefined {
    const record = parseRecord(text);
    if (record && (id === undefined || record.id === id)) return record;
    this.#warn('a key record in Redis cannot be read and counts as absent', id === undefined ? {} : { key: id });
    return undefined;
  }
}

/** The change feed says more of it, in the log. */
function notTheKnown(operation: StoreOperation): StoreFault {
  return new StoreFault(operation, 'Redis is not the store that this gateway knew, or not as it was');
}

function refusedBySwitch(error: Error): never {
  throw new StoreFault('save', `No key is changed while ${error.message}; try again in some seconds`, error, true);
}

function takenAside(): StoreFault {
  const text = 'The change was made while the Sentinels put another primary in the place of the one that took it';
  return new StoreFault('save', `${text}; see whether it was made, and make it again if not`, undefined, true);
}

/** Whether a server refused because some of the keys are on another one just now. */
function isBetweenNodes(error: unknown): boolean {
  const kind = refusalOf(error)?.kind;
  return kind === 'ask' || kind === 'split' || isKeyElsewhere(error);
}

/** Whether what was sent may have been done: nobody has said that it was not. */
function isUnanswered(fault: unknown): fault is StoreFault {
  return fault instanceof StoreFault && fault.cause !== undefined && !isReply(fault.cause);
}

function unanswered(id: string, { message, cause }: StoreFault): StoreFault {
  const reason = cause instanceof Error ? cause.message : message;
  const text = `It is not known whether key ${id} was changed (${reason}); see it with portcullis keys show ${id} before trying again`;
  return new StoreFault('save', text, cause, true);
}

function idsOutOfOrder(name: string): string {
  return `The ids in Redis, in ${name}, are not in order; somebody else has written there: give every member the score 0, or restore the store`;
}

function expect<T>(operation: string, shape: z.ZodType<T>, reply: unknown): T {
  const parsed = shape.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw new StoreFault(operation, 'Redis answered with something that is not an answer', parsed.error);
}
