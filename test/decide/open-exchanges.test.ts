// What is asked and ended, look by look, where a store and a policy say so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { readConfig } from '../../src/config/load.ts';
import { parseAddress } from '../../src/core/address.ts';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { Denial } from '../../src/core/decision.ts';
import { StoreFault } from '../../src/core/fault.ts';
import type { KeyRecord } from '../../src/core/key-record.ts';
import type { Found } from '../../src/core/ports.ts';
import { parseTarget, type Target } from '../../src/core/target.ts';
import { OpenExchange } from '../../src/decide/open-exchange.ts';
import { OpenExchanges } from '../../src/decide/open-exchanges.ts';
import { type Admitted, RequestState } from '../../src/decide/request-state.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { keyRecord } from '../support/key-records.ts';

const CLIENT = parseAddress('192.0.2.1')!;
const policy = await policyThatTakes('x');

/** A policy whose one route with a key takes this scope. */
async function policyThatTakes(scope: string) {
  const { config, hash } = await readConfig(
    {
      version: 1,
      upstreams: { app: { targets: ['http://127.0.0.1:1'] } },
      credentials: { query: 'api_key' },
      routes: {
        all: { path: '/**', upstream: 'app', scopes: [scope] },
        open: { path: '/open', upstream: 'app', access: 'public' },
      },
    },
    {},
  );
  return compilePolicy(config, hash);
}

class Exchange extends OpenExchange {
  readonly denials: Denial[] = [];
  isAwaited = false;
  readonly #open: OpenExchanges;
  readonly #story: string[];

  constructor(open: OpenExchanges, story: string[]) {
    super();
    this.#story = story;
    this.#open = open;
    this.newsBefore = open.news;
  }

  endFor(denial: Denial): void {
    this.denials.push(denial);
    this.#story.push(`ended ${denial.reason}`);
    this.#open.remove(this);
  }

  forgetCredential(): void {
    this.admitted?.forgetCredential();
  }
}

function recordOf(id: string, differs: Partial<KeyRecord> = {}): KeyRecord {
  return keyRecord({
    id,
    roles: [],
    scopes: ['x'],
    allow: [],
    plan: null,
    secrets: [{ digest: 'd', hint: null, createdAt: 1, endsAt: null }],
    ...differs,
  });
}

function fixture() {
  const world = {
    policy,
    records: new Map<string, KeyRecord>(),
    asked: [] as string[],
    isSilent: false,
    unreadable: '',
    answersAfterMs: 0,
    nowMs: 1_000,
    bugs: [] as unknown[],
    /** Keys overruled and requests ended, in order. */
    story: [] as string[],
  };
  const open = new OpenExchanges({
    policy: () => world.policy,
    askKey: async (id): Promise<Found> => {
      world.asked.push(id);
      if (world.isSilent || world.unreadable === id) throw new StoreFault('get', 'silent');
      if (world.answersAfterMs > 0) await pause(world.answersAfterMs);
      return world.records.get(id) ?? 'absent';
    },
    onOverruled: (id) => world.story.push(`overruled ${id}`),
    now: () => world.nowMs,
    onBug: (bug) => world.bugs.push(bug),
  });
  // Looks come when the test says so.
  open.close();
  const begin = (id: string | null, path = '/things?api_key=secret'): Exchange => {
    const exchange = new Exchange(open, world.story);
    const record = id === null ? null : (world.records.get(id) ?? recordOf(id));
    if (record) world.records.set(record.id, record);
    open.add(exchange, admitted(record, path));
    return exchange;
  };
  return { open, world, begin };
}

function admitted(record: KeyRecord | null, path: string): Admitted {
  const state = new RequestState({
    id: 'r',
    policy,
    acceptedAtMs: 1_000,
    method: 'GET',
    target: parseTarget(path, 'a') as Target,
    host: 'a',
    rawHeaders: [
      'Host',
      'a',
      'X-Api-Key',
      'the text',
      'Authorization',
      'Bearer the text',
      'Authorization',
      'Basic another',
    ],
    peer: CLIENT,
    upgrades: [],
    contentLength: 0,
  });
  const key = record && { ...record, secretCreatedAt: 1, secretEndsAt: null, compiled: null };
  const caller = key && policy.callerOf(key);
  assert.notEqual(caller, 'undeclared');
  return Object.assign(state, { client: CLIENT, key, caller }) as Admitted;
}

test('nothing is asked while nothing changes, and a changed key is asked for once, however many hold it open', async () => {
  const { open, world, begin } = fixture();
  const held = Array.from({ length: 1_000 }, (_, at) => begin(at % 2 === 0 ? 'a' : 'b'));
  await open.look();
  assert.deepEqual(world.asked, []);
  world.records.set('a', recordOf('a', { status: 'revoked' }));
  for (let change = 0; change < 50; change++) open.hear({ kind: 'key', id: 'a' });
  for (let other = 0; other < 50_000; other++) open.hear({ kind: 'key', id: `other-${other}` });
  await open.look();
  assert.deepEqual(world.asked, ['a']);
  assert.equal(held.filter(({ denials }) => denials[0]?.reason === 'revoked').length, 500);
  assert.equal(open.size, 500);
  assert.deepEqual(world.bugs, []);
});

test('where changes may have been missed, every key that holds something open is asked for once', async () => {
  const { open, world, begin } = fixture();
  const held = ['a', 'b', 'a'].map((id) => begin(id));
  begin(null, '/open');
  world.records.delete('b');
  open.hear({ kind: 'reset' });
  await open.look();
  assert.deepEqual(world.asked.sort(), ['a', 'b']);
  assert.deepEqual(
    held.map(({ denials }) => denials[0]?.reason),
    [undefined, 'unknown', undefined],
  );
  assert.equal(open.size, 3);
});

test('more changes than are told apart count as changes that were missed', async () => {
  const { open, world, begin } = fixture();
  begin('a');
  for (let at = 0; at <= BOUNDS.changedKeys; at++) open.hear({ kind: 'key', id: `other-${at}` });
  await open.look();
  assert.deepEqual(world.asked, ['a']);
});

test('before a request is ended, what was known of its key is no longer believed', async () => {
  const { open, world, begin } = fixture();
  ['a', 'b'].forEach((id) => begin(id));
  world.records.set('a', recordOf('a', { status: 'revoked' }));
  // The feed has yet to tell of it: the key is asked for because of other news.
  open.hear({ kind: 'reset' });
  await open.look();
  assert.deepEqual(world.story, ['overruled a', 'ended revoked']);
});

test('a store that does not answer ends nothing, and is asked again until it does', async () => {
  const { open, world, begin } = fixture();
  const exchange = begin('a');
  world.records.set('a', recordOf('a', { status: 'disabled' }));
  world.isSilent = true;
  open.hear({ kind: 'key', id: 'a' });
  await open.look();
  await open.look();
  assert.equal(exchange.denials.length, 0);
  assert.equal(world.asked.length, 1, 'it pauses');
  world.isSilent = false;
  await eventually(async () => {
    await open.look();
    assert.equal(exchange.denials[0]?.reason, 'disabled');
  });
});

test('a key that cannot be read holds up no other', async () => {
  const { open, world, begin } = fixture();
  const [broken, other] = [begin('broken'), begin('other')];
  world.unreadable = 'broken';
  world.records.set('other', recordOf('other', { status: 'revoked' }));
  open.hear({ kind: 'reset' });
  await open.look();
  await open.look();
  assert.equal(other.denials[0]?.reason, 'revoked');
  assert.equal(broken.denials.length, 0);
  assert.deepEqual(world.asked, ['broken', 'other', 'broken']);
});

test('while a slow store is asked for many keys, one that changes is asked for next', async () => {
  const { open, world, begin } = fixture();
  world.answersAfterMs = 20;
  const keys = 30 * BOUNDS.recheckedAtOnce;
  for (let at = 0; at < keys; at++) begin(`k${at}`);
  open.hear({ kind: 'reset' });
  await open.look();
  const asked = world.asked.length;
  assert.ok(asked < keys, 'all were asked for in one look');
  open.hear({ kind: 'key', id: `k${keys - 1}` });
  await open.look();
  assert.equal(world.asked[asked], `k${keys - 1}`);
  await eventually(async () => {
    await open.look();
    assert.equal(new Set(world.asked).size, keys);
  });
});

test('what expires does so while the store is silent too', async () => {
  const { open, world, begin } = fixture();
  world.records.set('a', recordOf('a', { expiresAt: 2_000 }));
  const exchange = begin('a');
  world.isSilent = true;
  await open.look();
  assert.equal(exchange.denials.length, 0);
  world.nowMs = 2_000;
  await open.look();
  assert.equal(exchange.denials[0]?.reason, 'expired');
});

test('who only waits for an answer keeps the configuration that it began with until that begins, but not a key that is gone', async () => {
  const { open, world, begin } = fixture();
  const [streaming, waiting, other] = [begin('a'), begin('a'), begin('b')];
  waiting.isAwaited = true;
  other.isAwaited = true;
  world.policy = await policyThatTakes('y');
  open.reloaded();
  await open.look();
  assert.deepEqual(
    streaming.denials.map(({ code }) => code),
    ['scope_missing'],
  );
  assert.deepEqual([waiting.denials, other.denials], [[], []]);
  world.records.set('b', recordOf('b', { status: 'revoked' }));
  open.hear({ kind: 'key', id: 'b' });
  await open.look();
  assert.deepEqual(
    other.denials.map(({ code }) => code),
    ['key_invalid'],
  );
  waiting.isAwaited = false;
  await open.look();
  assert.deepEqual(
    waiting.denials.map(({ code }) => code),
    ['scope_missing'],
  );
});

test('what was decided while a change was heard of is decided again', async () => {
  const { open, world } = fixture();
  const stale = recordOf('a');
  world.records.set('a', recordOf('a', { status: 'revoked' }));
  const exchange = new Exchange(open, world.story);
  open.hear({ kind: 'key', id: 'a' });
  await open.look();
  open.add(exchange, admitted(stale, '/things'));
  await open.look();
  assert.equal(exchange.denials[0]?.reason, 'revoked');
});

test('what lasts keeps no text of its key', async () => {
  const { open, begin } = fixture();
  const exchange = begin('a');
  await open.look();
  const { rawHeaders, target } = exchange.admitted!;
  assert.deepEqual(rawHeaders, ['Host', 'a', 'X-Api-Key', '', 'Authorization', '', 'Authorization', 'Basic another']);
  assert.doesNotMatch(JSON.stringify(target), /secret/);
});

test('places are given back in any order', async () => {
  const { open, begin } = fixture();
  const held = Array.from({ length: 100 }, (_, at) => begin(`k${at}`));
  for (const at of [99, 0, 50, 0, 98, 1]) open.remove(held[at]!);
  assert.equal(open.size, 95);
  open.hear({ kind: 'reset' });
  await open.look();
  assert.equal(open.size, 95);
  for (const exchange of held) open.remove(exchange);
  assert.equal(open.size, 0);
});
