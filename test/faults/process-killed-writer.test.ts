// Promise 9: `kill -9` at any time loses no acknowledged change of a key. On SQLite the writer is killed; on Redis,
// where the store is another process, the server is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { KeyRecord } from '../../src/core/key-record.ts';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { environment } from '../support/acceptance-cli.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { atScale, found } from '../support/findings.ts';
import { own } from '../support/own-process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const WRITER = `${import.meta.dirname}/../support/key-writer.ts`;
const PEPPER = randomBytes(32).toString('hex');
/** Longest time between two acknowledgements of a writer that is well, on a busy machine, ms. */
const PATIENCE_MS = 20_000;
/** A thousand kills take a minute or two, and more where others work too. */
const PATIENT_MS = atScale({ suite: 120_000, full: 1_200_000 });

interface Acknowledged {
  readonly revision: number;
  readonly status: string;
}

/** A writer, and the last state of each key that it said was acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, Acknowledged>();
  changes = 0;
  readonly #child;
  readonly #closed: Promise<unknown>;
  #unfinished = '';

  constructor(url: string, prefix: string) {
    this.#child = own(
      spawn(process.execPath, [WRITER, url, PEPPER, prefix], {
        env: environment(),
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    );
    this.#closed = once(this.#child, 'close');
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
  }

  /** Waits until as many changes were acknowledged. */
  until(changes: number): Promise<void> {
    return eventually(() => assert.ok(this.changes >= changes), { withinMs: PATIENCE_MS, everyMs: 1 });
  }

  /** Kills it, and waits until all that it said has been read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await inTime(this.#closed, 'the end of the writer', PATIENCE_MS);
  }

  #heard(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) {
      const [id = '', revision = '', status = ''] = line.split(' ');
      this.acknowledged.set(id, { revision: Number(revision), status });
      this.changes++;
    }
  }
}

/** Every key is at the state that was acknowledged last, or at the next one, whose word did not come any more. */
async function assertKept(store: Store, acknowledged: Writer['acknowledged']): Promise<void> {
  for (const [id, { revision, status }] of acknowledged) {
    const record = await store.keys.get(id);
    assert.notEqual(record, 'absent', `${id} was acknowledged and is lost`);
    const kept = record as KeyRecord;
    assert.ok(kept.revision >= revision, `${id} was acknowledged at ${revision} and is at ${kept.revision}`);
    if (kept.revision === revision) assert.equal(kept.status, status);
    else assert.equal(kept.revision, revision + 1);
  }
}

describe('kill -9 of a writer on SQLite', () => {
  let directory: TempDir;
  before(async () => {
    directory = await makeTempDir();
  });
  after(() => directory.remove());

  test('every acknowledged change is there, and the file is whole', { timeout: PATIENT_MS }, async (t) => {
    const kills = atScale({ suite: 40, full: 1_000 });
    const { below, seed } = seededNumbers();
    const file = directory.file('keys.db');
    const url = `sqlite:${file}`;
    let changes = 0;
    const next = (at: number): Writer => new Writer(url, `kill-${at}`);
    let coming = next(0);
    for (let at = 0; at < kills; at++) {
      const writer = coming;
      // The next one starts while this one works: two writers share the file when one of them is killed.
      coming = next(at + 1);
      await writer.until(1 + below(40));
      // Anywhere within a change, not only behind an acknowledgement.
      await pause(below(4));
      await writer.kill();
      const store = await openStore(storeSettings(url, { timeoutMs: 5_000 }));
      try {
        await assertKept(store, writer.acknowledged);
      } finally {
        await store.close();
      }
      if (at % 10 === 9 || at === kills - 1) assertWhole(file, seed);
      changes += writer.changes;
    }
    await coming.kill();
    found(t, {
      promise: 9,
      tried: `SQLite: a process that changes keys killed with SIGKILL ${kills} times, another one writing meanwhile (${seed})`,
      promised: 'no acknowledged change is lost; the file opens and is whole',
      seen: `${changes} acknowledged changes, 0 lost; integrity_check ok every time`,
    });
  });
});

describe('kill -9 of Redis with appendfsync always', () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
  });
  after(() => redis.dispose());

  test('every acknowledged change is there when it is back', async (t) => {
    const kills = atScale({ suite: 4, full: 20 });
    const { below, seed } = seededNumbers();
    let changes = 0;
    for (let at = 0; at < kills; at++) {
      const writer = new Writer(redis.url, `kill-${at}`);
      await writer.until(20 + below(200));
      await redis.kill();
      await writer.kill();
      await redis.start();
      const store = await openStore(storeSettings(redis.url));
      try {
        await assertKept(store, writer.acknowledged);
      } finally {
        await store.close();
      }
      changes += writer.changes;
    }
    found(t, {
      promise: 9,
      tried: `Redis with appendfsync always: the server killed with SIGKILL ${kills} times under changes of keys (${seed})`,
      promised: 'no acknowledged change is lost; with everysec, Redis itself promises all but the last second or two',
      seen: `${changes} acknowledged changes, 0 lost`,
    });
  });
});

function assertWhole(file: string, seed: string): void {
  const db = new DatabaseSync(file);
  try {
    assert.deepEqual(
      db
        .prepare('PRAGMA integrity_check')
        .all()
        .map((row) => row['integrity_check']),
      ['ok'],
      seed,
    );
  } finally {
    db.close();
  }
}
