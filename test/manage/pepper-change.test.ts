// docs/keys.md, "Change the pepper": of every key it can be told beforehand whether it needs the old pepper, whatever
// was done to it since; without the old pepper those, and only those, are unknown to a gateway and shown so.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { StoredSecret } from '../../src/core/key-record.ts';
import type { Store } from '../../src/core/ports.ts';
import type { KeyView } from '../../src/manage/key-view.ts';
import type { Peppers } from '../../src/manage/peppers.ts';
import { CachedKeys } from '../../src/stores/cached-keys.ts';
import { BACKINGS, type Backing } from '../support/backings.ts';
import { newPepper, serviceOn, START_MS } from '../support/key-services.ts';

const HOUR_MS = 3_600_000;

for (const { name, make } of BACKINGS) {
  describe(`a change of the pepper on ${name}`, () => {
    const old = newPepper();
    const current = newPepper();
    let backing: Backing;
    let store: Store;
    before(async () => {
      backing = await make();
      store = await backing.open();
    });
    after(() => backing.dispose());

    const serviceWith = (peppers: Peppers) => serviceOn(store, { peppers }).service;
    const beforeIt = () => serviceWith({ current: old, previous: [] });
    const meanwhile = () => serviceWith({ current, previous: [old] });
    const behindIt = () => serviceWith({ current, previous: [] });

    /** Whether a gateway with these peppers takes a text; at a first use it moves its key, as gateways do. */
    async function takes(peppers: Peppers, text: string): Promise<boolean> {
      const moves: Promise<unknown>[] = [];
      const keys = new CachedKeys({
        store: store.keys,
        peppers,
        maxStalenessMs: HOUR_MS,
        lastHeardMs: () => 0,
        awakeSinceMs: () => 0,
        now: () => START_MS,
        age: () => 0,
        expiryOf: ({ expiresAt }) => expiresAt,
        onEvent: () => {},
        onTampered: () => {},
        onOldPepper: (record, digest, presented) => moves.push(serviceWith(peppers).rehash(record, digest, presented)),
      });
      const found = await keys.lookUp(text);
      await Promise.all(moves);
      return found !== 'absent';
    }

    async function shown(service: ReturnType<typeof serviceWith>, id: string): Promise<KeyView> {
      return service.describe(await service.get(id));
    }

    const peppersOf = ({ secrets }: KeyView) => secrets.map(({ state, pepper }) => [state, pepper]);

    const CHANGES = {
      'was not changed': undefined,
      'was updated': (id: string) => meanwhile().update(id, { plan: 'gold' }),
      'was disabled and enabled': async (id: string) => {
        await meanwhile().disable(id);
        await meanwhile().enable(id);
      },
    };
    for (const [what, change] of Object.entries(CHANGES)) {
      test(`a key that ${what}, but not moved, is shown to need a previous pepper, and as tampered without it`, async () => {
        const id = what.replaceAll(' ', '-');
        const { secret } = await beforeIt().create({ id });
        await change?.(id);
        assert.deepEqual(peppersOf(await shown(meanwhile(), id)), [['current', 'previous']]);
        assert.equal(await takes({ current, previous: [] }, secret), false);
        const without = await shown(behindIt(), id);
        assert.deepEqual([without.state, peppersOf(without)], ['tampered', [['current', 'unknown']]]);
        assert.equal(without.warnings.length, 1);

        assert.equal(await takes({ current, previous: [old] }, secret), true, 'putting the old pepper back undoes it');
        const moved = await shown(behindIt(), id);
        assert.deepEqual([moved.state, peppersOf(moved)], ['active', [['current', 'current']]]);
        assert.equal(await takes({ current, previous: [] }, secret), true);
      });
    }

    test('a key that was rotated goes on with its new secret, and its retiring one is shown to need a previous pepper', async () => {
      const { secret: first } = await beforeIt().create({ id: 'rotated' });
      const { secret: second } = await meanwhile().rotate('rotated', { graceMs: HOUR_MS });
      await meanwhile().update('rotated', { plan: 'gold' });
      assert.deepEqual(peppersOf(await shown(meanwhile(), 'rotated')), [
        ['current', 'current'],
        ['retiring', 'previous'],
      ]);
      assert.deepEqual(
        [await takes({ current, previous: [] }, first), await takes({ current, previous: [] }, second)],
        [false, true],
      );
      const without = await shown(behindIt(), 'rotated');
      assert.equal(without.state, 'active');
      assert.match(without.warnings.join(), /retiring secret of key rotated is unknown to the gateway/);
      // The other secret's move leaves it as it is.
      await takes({ current, previous: [old] }, second);
      assert.equal(await takes({ current, previous: [old] }, first), true);
      assert.deepEqual(peppersOf(await shown(behindIt(), 'rotated')), [
        ['current', 'current'],
        ['retiring', 'current'],
      ]);
    });

    test('a key that was imported by its SHA-256 needs the old pepper until its first use', async () => {
      const text = `a-key-of-the-old-system-on-${name}`;
      const entry = {
        id: 'hashed',
        secret: { sha256: createHash('sha256').update(text).digest() },
        grants: {},
        meta: {},
      };
      const told = { problem: fail, differs: fail, progress: () => {}, stored: async () => {} };
      await beforeIt().importKeys(async function* () {
        yield { line: 1, entry };
      }, told);
      await meanwhile().update('hashed', { plan: 'gold' });
      assert.deepEqual(peppersOf(await shown(meanwhile(), 'hashed')), [['current', 'previous']]);
      assert.equal((await shown(behindIt(), 'hashed')).state, 'tampered');
      assert.equal(await takes({ current, previous: [old] }, text), true);
      assert.deepEqual(peppersOf(await shown(behindIt(), 'hashed')), [['current', 'current']]);
      assert.equal(await takes({ current, previous: [] }, text), true);
    });

    test('a key changed under two new peppers in turn still names the one that it needs, also when that comes back', async () => {
      const { secret } = await beforeIt().create({ id: 'twice' });
      await meanwhile().update('twice', { plan: 'gold' });
      const newest = newPepper();
      const later = serviceWith({ current: newest, previous: [current, old] });
      await later.update('twice', { plan: 'free' });
      assert.deepEqual(peppersOf(await shown(later, 'twice')), [['current', 'previous']]);
      assert.equal((await shown(serviceWith({ current: newest, previous: [current] }), 'twice')).state, 'tampered');
      const back = serviceWith({ current: old, previous: [newest] });
      await back.update('twice', { plan: 'gold' });
      assert.deepEqual(peppersOf(await shown(beforeIt(), 'twice')), [['current', 'current']]);
      assert.equal(await takes({ current: old, previous: [] }, secret), true);
    });

    test('a key whose pepper is gone gets a new secret by a rotation, and its record stays believed', async () => {
      const { secret: lost } = await beforeIt().create({ id: 'lost', grants: { owner: 'acme' } });
      await meanwhile().update('lost', { plan: 'gold' });
      const { secret, record } = await behindIt().rotate('lost', { graceMs: 0 });
      assert.deepEqual([record.owner, record.plan], ['acme', 'gold']);
      assert.deepEqual(
        [await takes({ current, previous: [] }, secret), await takes({ current, previous: [old] }, lost)],
        [true, false],
      );
    });

    test('a revoked key whose pepper is gone is shown as revoked, and nobody is told to rotate it', async () => {
      await beforeIt().create({ id: 'revoked' });
      await meanwhile().revoke('revoked');
      const { state, warnings } = await shown(behindIt(), 'revoked');
      assert.deepEqual([state, warnings], ['revoked', []]);
    });

    test('who can write to the store cannot make a secret seem moved', async () => {
      await beforeIt().create({ id: 'moved' });
      const { revision, secrets, ...rest } = await meanwhile().update('moved', { plan: 'gold' });
      const forged = { ...rest, revision: revision + 1, secrets: secrets.map(withoutPepper) };
      assert.equal(await store.keys.save(forged, revision), 'saved');
      assert.equal((await shown(meanwhile(), 'moved')).state, 'tampered');
    });

    test('gateways that change one after another take every key all the time', async () => {
      // Each knows both peppers before any makes the new one its own.
      const first = { current, previous: [old] };
      const second = { current: old, previous: [current] };
      const { secret } = await beforeIt().create({ id: 'rolling' });
      for (const peppers of [first, second, second, first, first]) assert.equal(await takes(peppers, secret), true);
      assert.deepEqual(peppersOf(await shown(behindIt(), 'rolling')), [['current', 'current']]);
    });
  });
}

function withoutPepper({ digest, hint, createdAt, endsAt }: StoredSecret): StoredSecret {
  return { digest, hint, createdAt, endsAt };
}

function fail(_line: number, message: string): never {
  assert.fail(message);
}
