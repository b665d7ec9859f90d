// Several processes on one store count as one, and see each other's changes.
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Change, LimitAlgorithm } from '../../src/core/ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { BACKINGS, type Backing } from '../support/backings.ts';
import type { Order } from '../support/store-process.ts';

const PROCESSES = 8;
const TAKES_EACH = 250;
const ALGORITHMS: readonly LimitAlgorithm[] = ['fixed', 'sliding', 'bucket'];

async function start(url: string): Promise<ChildProcess> {
  const child = fork(new URL('../support/store-process.ts', import.meta.url), [url]);
  await once(child, 'message');
  return child;
}

async function tell(child: ChildProcess, order: Order): Promise<number> {
  const answered = once(child, 'message');
  child.send(order);
  const [answer] = await answered;
  return Number(answer);
}

for (const { name, make } of BACKINGS) {
  describe(`${PROCESSES} processes on one ${name} store`, () => {
    let backing: Backing;
    let processes: ChildProcess[] = [];
    before(async () => {
      backing = await make();
      // The tables and the first connection are made by all of them at once.
      processes = await Promise.all(Array.from({ length: PROCESSES }, () => start(backing.url)));
    });
    after(async () => {
      await Promise.all(
        processes.map(async (child) => {
          const exited = once(child, 'exit');
          child.disconnect();
          await exited;
        }),
      );
      await backing.dispose();
    });

    for (const algorithm of ALGORITHMS)
      it(`${algorithm}: of ${PROCESSES * TAKES_EACH} parallel takes at a limit of 100 a minute, exactly 100 pass`, async () => {
        // A fixed window may end while this runs; the next one would admit 100 more.
        if (algorithm === 'fixed') await eventually(() => assert.ok(Date.now() % 60_000 < 50_000), { withinMs: 11_000 });
        const demand = { id: `${algorithm}:key:a`, algorithm, requests: 100, periodMs: 60_000, burst: 100, cost: 1 };
        const admitted = await Promise.all(
          processes.map((child) => tell(child, { kind: 'take', demand, times: TAKES_EACH })),
        );
        assert.equal(
          admitted.reduce((sum, count) => sum + count, 0),
          100,
          String(admitted),
        );
      });

    it('a change by another process is told within 1 s', async () => {
      const { changes } = await backing.open();
      const seen: Change[] = [];
      await changes.start((change) => seen.push(change));
      const [child] = processes;
      assert.ok(child);
      await tell(child, { kind: 'save', id: 'from-outside' });
      await eventually(() => assert.deepEqual(seen, [{ kind: 'key', id: 'from-outside' }]), { withinMs: 1_000 });
    });
  });
}
