// What every ChangeFeed keeps to.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Change } from '../../src/core/ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { Backing } from '../support/backings.ts';
import { keyRecord } from '../support/key-records.ts';

export function changeFeedContract(name: string, make: () => Promise<Backing>): void {
  describe(`change feed on ${name}`, () => {
    let backing: Backing;
    before(async () => {
      backing = await make();
    });
    after(() => backing.dispose());

    it('every change reaches every gateway within 1 s, in order, also those of its own process', async () => {
      const [writer, ...readers] = await Promise.all([1, 2, 3].map(() => backing.open()));
      assert.ok(writer);
      await writer.keys.save(keyRecord({ id: 'before' }), 0);
      const feeds = [writer, ...readers].map(({ changes }) => {
        const seen: Change[] = [];
        return { changes, seen };
      });
      for (const { changes, seen } of feeds) await changes.start((change) => seen.push(change));
      const ids = Array.from({ length: 30 }, (_, index) => `key-${index}`);
      for (const id of ids) await writer.keys.save(keyRecord({ id }), 0);
      const expected = ids.map((id) => ({ kind: 'key', id }));
      for (const { seen } of feeds) await eventually(() => assert.deepEqual(seen, expected), { withinMs: 1_000 });
    });

    it('a conflict tells nothing', async () => {
      const store = await backing.open();
      const seen: Change[] = [];
      await store.changes.start((change) => seen.push(change));
      await store.keys.save(keyRecord({ id: 'taken' }), 0);
      await store.keys.save(keyRecord({ id: 'taken' }), 0);
      await store.keys.save(keyRecord({ id: 'last' }), 0);
      await eventually(() => assert.deepEqual(seen.at(-1), { kind: 'key', id: 'last' }), { withinMs: 1_000 });
      assert.equal(seen.length, 2);
    });

    it('the store is heard from without any change, on the clock that was given', async () => {
      let offset = 0;
      const { changes } = await backing.open({ clock: () => Date.now() + offset });
      assert.equal(changes.lastHeardMs(), 0);
      await changes.start(() => {});
      const first = changes.lastHeardMs();
      assert.ok(Date.now() - first < 1_000);
      await eventually(() => assert.ok(changes.lastHeardMs() > first), { withinMs: 1_000 });
      offset = 3_600_000;
      await eventually(() => assert.ok(changes.lastHeardMs() > first + 3_000_000), { withinMs: 1_000 });
    });

    it('a stopped feed tells and hears nothing more', async () => {
      const writer = await backing.open();
      const { changes } = await backing.open();
      let told = 0;
      await changes.start(() => (told += 1));
      await changes.stop();
      const heard = changes.lastHeardMs();
      const seen: Change[] = [];
      await writer.changes.start((change) => seen.push(change));
      await writer.keys.save(keyRecord({ id: 'after-stop' }), 0);
      await eventually(() => assert.equal(seen.length, 1), { withinMs: 1_000 });
      assert.equal(told, 0);
      assert.equal(changes.lastHeardMs(), heard);
    });
  });
}
