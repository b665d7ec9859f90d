// Several processes on one store count as one, and see each other's changes.
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Change, LimitAlgorithm } from '../../src/core/ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { BACKINGS, type Backing } from '../support/backings.ts';
import { own } from '../support/own-process.ts';
import type { Order } from '../support/store-process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const PROCESSES = 8;
const TAKES_EACH = 250;
const ALGORITHMS: readonly LimitAlgorithm[] = ['fixed', 'sliding', 'bucket'];

/** Starts a process. What the first compiles, the others read from the cache. */
async function start(cache: string): Promise<ChildProcess> {
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  const child = own(fork(new URL('../support/store-process.ts', import.meta.url), { env }));
  await once(child, 'message');
  return child;
}

async function tell(child: ChildProcess, order: Order): Promise<number> {
  const answered = once(child, 'message');
  child.send(order);
  const [answer] = await answered;
  return Number(answer);
}

describe(`${PROCESSES} processes`, () => {
  const processes: ChildProcess[] = [];
  let cache: TempDir;
  before(async () => {
    cache = await makeTempDir();
    const first = await start(cache.path);
    // The cache is written when it is asked for, or at the end.
    await tell(first, { kind: 'compiled' });
    const others = Array.from({ length: PROCESSES - 1 }, () => start(cache.path));
    processes.push(first, ...(await Promise.all(others)));
  });
  after(async () => {
    await Promise.all(
      processes.map(async (child) => {
        const exited = once(child, 'exit');
        child.disconnect();
        await exited;
      }),
    );
    await cache.remove();
  });

  for (const { name, make } of BACKINGS)
    describe(`on one ${name} store`, () => {
      let backing: Backing;
      let url: string;
      before(async () => {
        backing = await make();
        ({ url } = backing);
      });
      after(() => backing.dispose());

      it('all of them may open it first at the same time', async () => {
        await Promise.all(processes.map((child) => tell(child, { kind: 'open', url })));
      });

      for (const algorithm of ALGORITHMS)
        it(`${algorithm}: of ${PROCESSES * TAKES_EACH} parallel takes at a limit of 100, exactly 100 pass`, async () => {
          const demand = { id: 'k', algorithm, requests: 100, periodMs: 86_400_000, burst: 100, cost: 1 };
          const admitted = await Promise.all(
            processes.map((child) => tell(child, { kind: 'take', url, demand, times: TAKES_EACH })),
          );
          const sum = admitted.reduce((one, other) => one + other, 0);
          assert.equal(sum, 100, String(admitted));
        });

      for (const algorithm of ALGORITHMS)
        it(`${algorithm}: with leases, ${PROCESSES} processes admit a limit of 3,000 wholly and no more`, async () => {
          const demand = { id: 'leased', algorithm, requests: 3_000, periodMs: 86_400_000, burst: 3_000, cost: 1 };
          const ask = async (times: number): Promise<number> => {
            const admitted = await Promise.all(
              processes.map((child) => tell(child, { kind: 'take-leased', url, demand, times })),
            );
            return admitted.reduce((one, other) => one + other, 0);
          };
          const sum = await ask(500);
          assert.ok(sum <= 3_000 && sum >= 2_940, `${sum}`);
          // What some still held when others asked for the last was given back.
          assert.equal(sum + (await ask(100)), 3_000);
        });

      it('a change by one of them is told to another within 1 s', async () => {
        const { changes } = await backing.open();
        const seen: Change[] = [];
        await changes.start((change) => seen.push(change));
        const [child] = processes;
        assert.ok(child);
        await tell(child, { kind: 'save', url, id: 'from-outside' });
        await eventually(() => assert.deepEqual(seen, [{ kind: 'key', id: 'from-outside' }]), { withinMs: 1_000 });
      });
    });
});
