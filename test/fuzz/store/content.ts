// Redis's content as a vandal sees it: what keys there are, and how each kind of vandalism is done to them; and the way back.
import type { Redis } from 'ioredis';
import type { Vandalism } from './grammar.ts';

export class Content {
  readonly #redis: Redis;
  readonly #kept: ReadonlyMap<string, Buffer>;
  /** Keys that tell the store's history: its epoch, and the streams that its changes are in. */
  readonly #history: ReadonlySet<string>;

  /** Takes down all that is there now. */
  static async keep(redis: Redis): Promise<Content> {
    const kept = new Map<string, Buffer>();
    const history = new Set<string>();
    for (const key of await allKeys(redis)) {
      const dumped = await redis.dumpBuffer(key);
      if (dumped) kept.set(key, dumped);
      if (key.endsWith(':epoch') || (await redis.type(key)) === 'stream') history.add(key);
    }
    return new Content(redis, kept, history);
  }

  private constructor(redis: Redis, kept: ReadonlyMap<string, Buffer>, history: ReadonlySet<string>) {
    this.#redis = redis;
    this.#kept = kept;
    this.#history = history;
  }

  /** Whether it may add to the history: once that was seen, a store without it is no longer the one that was known. */
  rewritesHistory(act: Vandalism): boolean {
    const places = [
      ...('key' in act ? [act.key] : []),
      ...('to' in act ? [act.to] : []),
      ...('one' in act ? [act.one, act.other] : []),
    ];
    return places.some((place) => this.#history.has(this.#key(place)));
  }

  /** Puts everything back as it was, in one step. */
  async restore(): Promise<void> {
    const others = (await allKeys(this.#redis)).filter((key) => !this.#kept.has(key));
    const step = this.#redis.multi();
    if (others.length > 0) step.unlink(...others);
    for (const [key, dumped] of this.#kept) step.restore(key, 0, dumped, 'REPLACE');
    await step.exec();
  }

  /** What Redis refuses of it is of no interest. */
  async vandalise(act: Vandalism): Promise<void> {
    await this.#do(act).catch(() => {});
  }

  async #do(act: Vandalism): Promise<unknown> {
    const redis = this.#redis;
    switch (act.do) {
      case 'command':
        return redis.call(act.name, this.#key(act.key), ...act.words.map((word) => Buffer.from(word, 'latin1')));
      case 'copy':
        return redis.copy(this.#key(act.from), this.#key(act.to), 'REPLACE');
      case 'swap': {
        const [one, other] = [this.#key(act.one), this.#key(act.other)];
        const [first, second] = [await redis.dumpBuffer(one), await redis.dumpBuffer(other)];
        if (first) await redis.restore(other, 0, first, 'REPLACE');
        return second ? redis.restore(one, 0, second, 'REPLACE') : undefined;
      }
      case 'splice': {
        const text = await this.#text(act.key);
        const at = act.at % (text.length + 1);
        return this.#write(act.key, text.slice(0, at) + act.text + text.slice(at + act.length));
      }
      case 'field': {
        const record = JSON.parse(await this.#text(act.key)) as Record<string, unknown>;
        const fields = Object.entries(record).filter(([name]) => name !== act.field);
        return this.#write(act.key, written([...fields, [act.field, act.value]]));
      }
      case 'graft': {
        const record = JSON.parse(await this.#text(act.key)) as Record<string, unknown>;
        const other = JSON.parse(await this.#text(act.from)) as Record<string, unknown>;
        return this.#write(act.key, JSON.stringify({ ...record, [act.field]: other[act.field] }));
      }
      case 'entry':
        return redis.call('XADD', this.#key(act.key), '*', ...act.words.map((word) => Buffer.from(word, 'latin1')));
    }
  }

  #key(place: number): string {
    const keys = [...this.#kept.keys()];
    return keys[place % keys.length]!;
  }

  async #text(place: number): Promise<string> {
    return (await this.#redis.getBuffer(this.#key(place)))?.toString('utf8') ?? '';
  }

  #write(place: number, text: string): Promise<unknown> {
    return this.#redis.set(this.#key(place), text);
  }
}

/** As JSON, also with names that JavaScript has a meaning for. */
function written(fields: readonly (readonly [string, unknown])[]): string {
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}`).join(',')}}`;
}

async function allKeys(redis: Redis): Promise<string[]> {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'COUNT', 1_000);
    keys.push(...found);
    cursor = next;
  } while (cursor !== '0');
  return [...new Set(keys)].sort();
}
