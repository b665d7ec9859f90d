// Failed attempts that several processes share over a SQLite file.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { openDatabase } from '../../src/stores/sqlite-database.ts';
import { SqliteAttempts } from '../../src/stores/sqlite-attempts.ts';
import { LIMITS_SCHEMA } from '../../src/stores/sqlite-limits.ts';
import { sqliteBacking, type Backing } from '../support/backings.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const RULE = { failures: 3, perMs: 60_000, blockMs: 60_000 };

describe('attempts on SQLite', () => {
  let backing: Backing;
  before(async () => {
    backing = await sqliteBacking();
  });
  after(() => backing.dispose());

  it('what one gateway counts and blocks, another sees', async () => {
    const here = (await backing.open()).attempts(RULE);
    const there = (await backing.open()).attempts(RULE);
    assert.equal((await here.count('192.0.2.1')).attempts, 1);
    assert.equal((await there.count('192.0.2.1')).attempts, 2);
    await here.block('192.0.2.1', 60_000);
    assert.ok((await there.count('192.0.2.1')).blockedMs > 55_000);
  });

  it('a window that is over begins anew, and a rule that is reloaded counts on', async () => {
    let nowMs = 1_000_000;
    const store = await backing.open({ clock: () => nowMs });
    const counter = store.attempts(RULE);
    await counter.count('192.0.2.2');
    assert.equal((await store.attempts({ ...RULE, failures: 9 }).count('192.0.2.2')).attempts, 2);
    nowMs += RULE.perMs;
    assert.equal((await counter.count('192.0.2.2')).attempts, 1);
  });

  it('a clock that is set back makes neither a window nor a block last longer than the rule says', async () => {
    let nowMs = 10_000_000;
    const counter = (await backing.open({ clock: () => nowMs })).attempts(RULE);
    await counter.count('192.0.2.9');
    await counter.block('192.0.2.9', RULE.blockMs);
    await counter.vouch('192.0.2.9', RULE.blockMs);
    nowMs -= 3_600_000;
    assert.deepEqual(await counter.count('192.0.2.9'), { attempts: 2, blockedMs: RULE.blockMs });
    assert.equal(await counter.vouchedForMs('192.0.2.9'), 0);
    nowMs += RULE.perMs;
    assert.deepEqual(await counter.count('192.0.2.9'), { attempts: 1, blockedMs: 0 });
  });

  it('while another process holds the file, each counts for itself', async () => {
    const counter = (await backing.open({ timeoutMs: 20 })).attempts(RULE);
    await counter.count('192.0.2.3');
    const other = new DatabaseSync(`${backing.url.slice('sqlite:'.length)}-limits`);
    other.exec('BEGIN IMMEDIATE');
    const [first, second] = [await counter.count('192.0.2.3'), await counter.count('192.0.2.3')];
    assert.deepEqual([first.attempts, second.attempts], [1, 2]);
    await counter.block('192.0.2.3', 60_000);
    await counter.forgive('192.0.2.3');
    other.exec('ROLLBACK');
    other.close();
    assert.equal((await counter.count('192.0.2.3')).attempts, 2);
  });

  it('no more sources are remembered than the bound: those whose time ends first are forgotten', async () => {
    const dir = await makeTempDir();
    const db = await openDatabase({
      file: dir.file('limits'),
      synchronous: 'NORMAL',
      timeoutMs: 1_000,
      schema: LIMITS_SCHEMA,
    });
    let nowMs = 1_000_000;
    const counter = new SqliteAttempts(
      db,
      () => nowMs,
      () => {},
      50,
    ).counter(RULE);
    await counter.block('blocked', 3_600_000);
    for (let at = 0; at < 1_000; at++, nowMs++) await counter.count(`source-${at}`);
    // They are pruned every 200 counts, before the one that is counted.
    assert.equal(Number(db.prepare('SELECT count(*) AS n FROM attempts').get()?.['n']), 51);
    assert.ok((await counter.count('blocked')).blockedMs > 0);
    assert.equal((await counter.count('source-998')).attempts, 2);
    nowMs += 7_200_000;
    for (let at = 0; at < 200; at++) await counter.count('only');
    assert.equal(Number(db.prepare('SELECT count(*) AS n FROM attempts').get()?.['n']), 1);
    db.close();
    await dir.remove();
  });
});
