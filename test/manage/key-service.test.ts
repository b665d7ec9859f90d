import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { classifyKeyText, mintKeyText } from '../../src/core/api-key.ts';
import { UserFault } from '../../src/core/fault.ts';
import { KEY_ID_PATTERN } from '../../src/core/key-record.ts';
import type { KeyStore, Store } from '../../src/core/ports.ts';
import { NO_GRANTS } from '../../src/manage/declarations.ts';
import { BACKINGS, type Backing } from '../support/backings.ts';
import { DECLARATIONS, newPepper, serviceOn, type ServiceUnderTest, START_MS } from '../support/key-services.ts';

const HOUR_MS = 3_600_000;

for (const { name, make } of BACKINGS) {
  describe(`KeyService on ${name}`, () => {
    let backing: Backing;
    let store: Store;
    let under: ServiceUnderTest;
    before(async () => {
      backing = await make();
      store = await backing.open();
      under = serviceOn(store);
    });
    after(() => backing.dispose());

    test('a minted key is found by the digest of its text, and its record is genuine', async () => {
      const { service, pepper } = under;
      const { record, secret } = await service.create({ id: 'first', grants: { owner: 'acme', roles: ['reader'] } });
      assert.equal(classifyKeyText('ptc_live', secret), 'minted');
      assert.deepEqual(await store.keys.findByDigest([pepper.digest(secret)]), record);
      assert.ok(pepper.isGenuine(record));
      assert.ok(!JSON.stringify(record).includes(secret));
    });

    test('without ID one is generated, and later ones sort behind earlier ones', async () => {
      const { service, clock } = under;
      const { record: early } = await service.create({});
      clock.nowMs += 1_000;
      const { record: late } = await service.create({});
      assert.match(early.id, KEY_ID_PATTERN);
      assert.match(early.id, /^key_[0-9a-z]{16}$/);
      assert.ok(early.id < late.id);
    });

    test('creating an id that exists is refused with the cure, and leaves the key as it is', async () => {
      const { service } = under;
      const { record } = await service.create({ id: 'taken' });
      await assert.rejects(service.create({ id: 'taken' }), userFault(1, /keys rotate taken/));
      assert.deepEqual(await service.get('taken'), record);
      await service.revoke('taken');
      await assert.rejects(service.create({ id: 'taken' }), userFault(1, /final; choose another id/));
    });

    test('ID of a declared key takes its grants from the configuration', async () => {
      const { service } = under;
      await assert.rejects(
        service.create({ id: 'billing-job', grants: { roles: ['writer'] } }),
        userFault(2, /declared in the configuration; .*keys\.billing-job/),
      );
      const { record } = await service.create({ id: 'billing-job', meta: { team: 'blue' } });
      assert.deepEqual([record.declared, record.roles, record.owner], [true, [], null]);
      const view = service.describe(record);
      assert.deepEqual([view.owner, view.effectiveScopes, view.plan], ['acme', ['orders:read'], 'free']);
      assert.equal(view.expires, '2031-01-01T00:00:00.000Z');
      await assert.rejects(service.update('billing-job', { plan: null }), userFault(2, /declared/));
      const updated = await service.update('billing-job', { meta: { team: 'red' } });
      assert.deepEqual(updated.meta, { team: 'red' });
    });

    test('update replaces each named field whole and leaves the others', async () => {
      const { service } = under;
      await service.create({ id: 'patched', grants: { owner: 'acme', scopes: ['a', 'b'], plan: 'free' } });
      const record = await service.update('patched', { scopes: ['c', 'c'], plan: null });
      assert.deepEqual([record.scopes, record.plan, record.owner, record.revision], [['c'], null, 'acme', 2]);
    });

    test('concurrent changes lose no update', async () => {
      const other = serviceOn(await backing.open(), { peppers: { current: under.pepper, previous: [] } });
      await under.service.create({ id: 'busy' });
      await Promise.all([
        under.service.update('busy', { owner: 'acme' }),
        other.service.update('busy', { name: 'nightly' }),
        under.service.update('busy', { scopes: ['orders:read'] }),
        other.service.update('busy', { plan: 'gold' }),
        other.service.disable('busy'),
      ]);
      const record = await under.service.get('busy');
      assert.deepEqual(
        [record.owner, record.name, record.scopes, record.plan, record.status, record.revision],
        ['acme', 'nightly', ['orders:read'], 'gold', 'disabled', 6],
      );
      assert.ok(under.pepper.isGenuine(record));
    });

    test('rotate: a new secret under the same id, the old one retiring until its grace ends', async () => {
      const { service, pepper, clock } = under;
      const first = await service.create({ id: 'turned' });
      const second = await service.rotate('turned', { graceMs: HOUR_MS });
      assert.equal(second.record.id, 'turned');
      assert.equal(second.retiringUntil, clock.nowMs + HOUR_MS);
      assert.deepEqual(
        second.record.secrets.map(({ digest, endsAt }) => [digest, endsAt]),
        [
          [pepper.digest(second.secret), null],
          [pepper.digest(first.secret), clock.nowMs + HOUR_MS],
        ],
      );
      assert.deepEqual(await store.keys.findByDigest([pepper.digest(first.secret)]), second.record);
    });

    test('rotate during a grace ends the older secret and says so', async () => {
      const { service, pepper } = under;
      const first = await service.create({ id: 'turned-twice' });
      const second = await service.rotate('turned-twice', { graceMs: HOUR_MS });
      assert.equal(second.endedEarlier, false);
      const third = await service.rotate('turned-twice', { graceMs: HOUR_MS });
      assert.equal(third.endedEarlier, true);
      assert.equal(third.record.secrets.length, 2);
      assert.equal(await store.keys.findByDigest([pepper.digest(first.secret)]), 'absent');
      assert.deepEqual(await store.keys.findByDigest([pepper.digest(second.secret)]), third.record);
    });

    test('no two secrets of a key are of the same time, also where the clock was set back', async () => {
      const { service, clock } = under;
      await service.create({ id: 'told-apart' });
      const { record: second } = await service.rotate('told-apart', { graceMs: HOUR_MS });
      clock.nowMs -= 2 * HOUR_MS;
      const { record: third } = await service.rotate('told-apart', { graceMs: 24 * HOUR_MS });
      clock.nowMs += 2 * HOUR_MS;
      const times = [...second.secrets, ...third.secrets].map(({ createdAt }) => createdAt);
      assert.equal(new Set(times).size, 3);
      assert.ok(third.secrets[0]!.createdAt > second.secrets[0]!.createdAt);
    });

    test('rotate --grace 0 ends the old secret at once', async () => {
      const { service, pepper } = under;
      const first = await service.create({ id: 'leaked' });
      const second = await service.rotate('leaked', { graceMs: 0 });
      assert.equal(second.retiringUntil, null);
      assert.equal(second.record.secrets.length, 1);
      assert.equal(await store.keys.findByDigest([pepper.digest(first.secret)]), 'absent');
    });

    test("rotate: the old secret never works past the key's own expiry", async () => {
      const { service, clock } = under;
      await service.create({ id: 'short', grants: { expiresAt: clock.nowMs + HOUR_MS } });
      const { retiringUntil } = await service.rotate('short', { graceMs: 24 * HOUR_MS });
      assert.equal(retiringUntil, clock.nowMs + HOUR_MS);
      clock.nowMs += HOUR_MS;
      await assert.rejects(
        service.rotate('short', { graceMs: 0 }),
        userFault(1, /expired.*keys update short --expires/),
      );
    });

    test('disable and enable turn a key off and on; doing it twice is written twice, and changes nothing else', async () => {
      const { service } = under;
      await service.create({ id: 'switched' });
      const off = await service.disable('switched');
      assert.equal(service.describe(off).state, 'disabled');
      const offAgain = await service.disable('switched');
      assert.deepEqual({ ...offAgain, mac: off.mac }, { ...off, revision: off.revision + 1 });
      assert.deepEqual(await service.get('switched'), offAgain);
      assert.equal(service.describe(await service.enable('switched')).state, 'active');
    });

    test('revoke is final', async () => {
      const { service } = under;
      await service.create({ id: 'ended' });
      const first = await service.revoke('ended');
      // What stood there may have been lost with a primary: what is said to be done is written.
      const revoked = await service.revoke('ended');
      assert.deepEqual({ ...revoked, mac: first.mac }, { ...first, revision: first.revision + 1 });
      const attempts = [
        service.enable('ended'),
        service.disable('ended'),
        service.rotate('ended', { graceMs: 0 }),
        service.update('ended', { plan: 'free' }),
      ];
      for (const attempt of attempts) await assert.rejects(attempt, userFault(1, /revoked, which is final/));
      assert.deepEqual(await service.get('ended'), revoked);
    });

    test('rehash moves a secret to the current pepper at first use, once', async () => {
      const { service, pepper } = under;
      const { record: old, secret } = await service.create({ id: 'peppered' });
      const current = newPepper();
      const { service: next } = serviceOn(store, { peppers: { current, previous: [pepper] } });
      await assert.doesNotReject(next.rehash(old, pepper.digest(secret), 'another text, not this secret'));
      assert.deepEqual(await service.get('peppered'), old);
      const [moved] = await Promise.all([
        next.rehash(old, pepper.digest(secret), secret),
        next.rehash(old, pepper.digest(secret), secret),
      ]);
      assert.equal(moved.revision, 2);
      assert.ok(current.isGenuine(moved) && !pepper.isGenuine(moved));
      assert.deepEqual(await store.keys.findByDigest([current.digest(secret)]), moved);
      assert.equal(await store.keys.findByDigest([pepper.digest(secret)]), 'absent');
    });

    test('a change under a new pepper seals the record with it and leaves the secret findable', async () => {
      const { service, pepper } = under;
      const { secret } = await service.create({ id: 'sealed' });
      const current = newPepper();
      const { service: next } = serviceOn(store, { peppers: { current, previous: [pepper] } });
      const record = await next.update('sealed', { plan: 'gold' });
      assert.ok(current.isGenuine(record));
      assert.deepEqual(await store.keys.findByDigest([pepper.digest(secret)]), record);
    });

    test('a record whose MAC is wrong is shown as tampered, and is never written over', async () => {
      const { service } = under;
      const { record } = await service.create({ id: 'forged', grants: { scopes: ['orders:read'] } });
      const forged = { ...record, scopes: ['*'], revision: 2 };
      assert.equal(await store.keys.save(forged, 1), 'saved');
      const view = service.describe(await service.get('forged'));
      assert.equal(view.state, 'tampered');
      assert.deepEqual(view.effectiveScopes, []);
      assert.match(view.warnings[0] ?? '', /key forged was not made with this pepper/);
      const attempts = [
        service.update('forged', { plan: 'free' }),
        service.rotate('forged', { graceMs: 0 }),
        service.disable('forged'),
        service.enable('forged'),
        service.revoke('forged'),
        service.create({ id: 'forged' }),
      ];
      for (const attempt of attempts) await assert.rejects(attempt, userFault(1, /was not made with this pepper/));
      assert.deepEqual(await service.get('forged'), forged);
    });

    test('list filters by owner and by state, a declared key by the owner of its declaration', async () => {
      const { service } = under;
      await service.create({ id: 'owned', grants: { owner: 'zeta' } });
      await service.disable((await service.create({ id: 'owned-off', grants: { owner: 'zeta' } })).record.id);
      const declarations = { ...DECLARATIONS, keys: new Map([['listed', { ...NO_GRANTS, owner: 'zeta' }]]) };
      const { service: declaring } = serviceOn(store, {
        declarations,
        peppers: { current: under.pepper, previous: [] },
      });
      await declaring.create({ id: 'listed' });
      const ids = async (filter: Parameters<typeof service.list>[0]): Promise<string[]> => {
        const found: string[] = [];
        for await (const { id } of declaring.list(filter)) found.push(id);
        return found.sort();
      };
      assert.deepEqual(await ids({ owner: 'zeta' }), ['listed', 'owned', 'owned-off']);
      assert.deepEqual(await ids({ owner: 'zeta', state: 'disabled' }), ['owned-off']);
      assert.ok((await ids({ state: 'active' })).includes('listed'));
    });

    test('a declared key that is no longer in the configuration is shown as undeclared, and cannot be rotated', async () => {
      const { service } = under;
      const { service: before } = serviceOn(store, {
        declarations: { ...DECLARATIONS, keys: new Map([['dropped', NO_GRANTS]]) },
        peppers: { current: under.pepper, previous: [] },
      });
      await before.create({ id: 'dropped' });
      const view = service.describe(await service.get('dropped'));
      assert.equal(view.state, 'undeclared');
      assert.match(view.warnings[0] ?? '', /no longer under keys in the configuration/);
      await assert.rejects(service.rotate('dropped', { graceMs: 0 }), userFault(1, /declare it again/));
      assert.equal(service.describe(await service.revoke('dropped')).state, 'revoked');
    });

    test('what cannot be kept is refused with every reason, and nothing is written', async () => {
      const { service } = under;
      await assert.rejects(
        service.create({
          id: 'wrong',
          grants: {
            roles: ['raeder'],
            plan: 'gold2',
            scopes: ['Orders'],
            allow: ['10.1.0.0/8'],
            expiresAt: START_MS - 1,
          },
          meta: { 'a b': 'c' },
        }),
        userFault(2, /did you mean reader\?[^]*Orders[^]*10\.0\.0\.0\/8[^]*did you mean gold\?[^]*a b[^]*in the past/),
      );
      await service.create({ id: 'right' });
      await assert.rejects(service.update('right', { roles: ['raeder'] }), userFault(2, /did you mean reader\?/));
      await assert.rejects(service.get('wrong'), userFault(1, /there is no key wrong/));
    });

    test('a secret given in place of an id is not repeated', async () => {
      const { service } = under;
      const { secret } = await service.create({});
      // Keys that were minted before the prefix was changed go on working.
      for (const id of [secret, mintKeyText('old', randomBytes(32))])
        for (const attempt of [() => service.get(id), () => service.create({ id })]) {
          await assert.rejects(attempt, (fault: unknown) => {
            assert.ok(fault instanceof UserFault && fault.exitCode === 2 && !fault.message.includes(id));
            return true;
          });
        }
    });
  });
}

test('a change that always comes too late gives up with a sentence', async () => {
  const { make } = BACKINGS[1]!;
  const backing = await make();
  try {
    const store = await backing.open();
    const { service, pepper } = serviceOn(store);
    await service.create({ id: 'contended' });
    const keys: KeyStore = {
      findByDigest: (digests) => store.keys.findByDigest(digests),
      get: (id) => store.keys.get(id),
      list: (filter) => store.keys.list(filter),
      countByState: (nowMs) => store.keys.countByState(nowMs),
      save: async () => 'conflict',
    };
    const { service: late } = serviceOn({ ...store, keys }, { peppers: { current: pepper, previous: [] } });
    await assert.rejects(late.disable('contended'), userFault(1, /changed by others at the same time; try again/));
  } finally {
    await backing.dispose();
  }
});

function userFault(exitCode: 1 | 2, message: RegExp): (fault: unknown) => boolean {
  return (fault) => {
    assert.ok(fault instanceof UserFault, String(fault));
    assert.match(fault.message, message);
    assert.equal(fault.exitCode, exitCode);
    return true;
  };
}
