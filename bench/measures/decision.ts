// What the decision costs by itself, without a connection: the whole of it as the gateway runs it, and each check
// alone. Requests are made afresh outside of the measured loop, because a text that was hashed once is cheaper.
import { getHeapStatistics } from 'node:v8';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { RequestState } from '../../src/decide/request-state.ts';
import type { Bench } from '../bench.ts';
import { type DecisionScene, openDecision, type Step } from '../decision-scene.ts';
import { gatewayConfig } from '../gateway-config.ts';
import { keySet } from '../keys.ts';
import { startRedis } from '../redis.ts';
import { keepResults, machineLine, printTable } from '../report.ts';
import { spreadOf } from '../statistics.ts';

/** A batch; with a store behind every request it takes a second. */
const REQUESTS = 10_000;
/** Until the code is compiled for good. */
const WARM_UP_BATCHES = 4;
const BATCHES = 11;

interface Cost {
  readonly ns: number;
  /** Allocated on V8's heap, bytes. */
  readonly bytes: number;
  /** Share that had to wait for the store. */
  readonly waited: number;
}

export async function decision({ session, options, say }: Bench): Promise<void> {
  const machine = machineLine();
  const redis = await startRedis(session);
  const config: ConfigInput = {
    ...gatewayConfig({ port: 0, opsPort: 0, upstream: 1, redis: redis.url }, {}),
    listen: {},
    log: { level: 'error' },
  };
  const rows: ({ what: string } & Cost)[] = [];
  const measure = async (what: string, scene: DecisionScene) => {
    say(what);
    rows.push({
      what,
      ...medianOf(await batches(scene, async (requests) => [await timed(requests, scene.decide)]))[0]!,
    });
  };
  const withLimits = await openDecision(config, keySet());
  await measure('the decision', withLimits);
  say('each check alone');
  const { checks } = withLimits;
  const alone = medianOf(
    await batches(withLimits, async (requests) => {
      const costs: Cost[] = [];
      // In their order over the same requests, so that each finds what it needs.
      for (const [, check] of checks) costs.push(await timed(requests, check));
      return costs;
    }),
  );
  await withLimits.close();
  const withoutLimits = await openDecision({ ...config, plans: { standard: {}, tiny: {} } }, keySet());
  await measure('the decision, no limits', withoutLimits);
  await withoutLimits.close();
  rows.push(...checks.map(([name], at) => ({ what: `check: ${name}`, ...alone[at]! })));
  console.log(`${machine}\n${BATCHES} batches of ${REQUESTS} requests, medians\n`);
  printTable(
    ['', 'ns', 'bytes allocated', 'waited for the store'],
    rows.map(({ what, ns, bytes, waited }) => [what, ns.toFixed(0), bytes.toFixed(0), `${(100 * waited).toFixed(2)}%`]),
  );
  keepResults('decision', options, machine, { rows });
}

async function batches(
  scene: DecisionScene,
  run: (requests: RequestState[]) => Promise<readonly Cost[]>,
): Promise<readonly (readonly Cost[])[]> {
  const kept: (readonly Cost[])[] = [];
  for (let batch = -WARM_UP_BATCHES; batch < BATCHES; batch++) {
    const costs = await run(scene.requests(REQUESTS));
    if (batch >= 0) kept.push(costs);
  }
  return kept;
}

async function timed(requests: readonly RequestState[], step: Step): Promise<Cost> {
  const bytes = getHeapStatistics().total_allocated_bytes;
  const from = process.hrtime.bigint();
  let waits = 0;
  for (const request of requests) {
    const verdict = step(request);
    if (!(verdict instanceof Promise)) continue;
    waits++;
    await verdict;
  }
  const ns = Number(process.hrtime.bigint() - from);
  const allocated = getHeapStatistics().total_allocated_bytes - bytes;
  return { ns: ns / requests.length, bytes: allocated / requests.length, waited: waits / requests.length };
}

/** Column by column. */
function medianOf(batched: readonly (readonly Cost[])[]): readonly Cost[] {
  return batched[0]!.map((_, at) => ({
    ns: spreadOf(batched.map((costs) => costs[at]!.ns)).median,
    bytes: spreadOf(batched.map((costs) => costs[at]!.bytes)).median,
    waited: spreadOf(batched.map((costs) => costs[at]!.waited)).median,
  }));
}
