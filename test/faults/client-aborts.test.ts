// Clients that go away at every stage of a request: each takes its own request with it and nothing else, and
// descriptors and upstream connections are soon as before (promise 11).
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene, KEY } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import { answerLargely } from '../support/large-answers.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';

const LARGE_BYTES = 4 * 1024 * 1024;
const HEAD = `Host: a\r\nX-Api-Key: ${KEY}\r\n`;

/** What a client has sent, and what it waits for, when it goes. */
const STAGES: Readonly<Record<string, { readonly sent: string; readonly until: 'sent' | 'upstream' | 'answer' }>> = {
  'within its head': { sent: `GET /things/x HTTP/1.1\r\n${HEAD}X-Y`, until: 'sent' },
  'behind its head': { sent: `GET /things/hold HTTP/1.1\r\n${HEAD}\r\n`, until: 'sent' },
  'within its body': { sent: `POST /things/x HTTP/1.1\r\n${HEAD}Content-Length: 1000\r\n\r\npart`, until: 'upstream' },
  'within a chunk': {
    sent: `POST /things/x HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n40\r\npart`,
    until: 'upstream',
  },
  'before the answer': { sent: `GET /things/hold HTTP/1.1\r\n${HEAD}\r\n`, until: 'upstream' },
  'within the answer': { sent: `GET /things/large HTTP/1.1\r\n${HEAD}\r\n`, until: 'answer' },
  pipelining: { sent: `GET /things/large HTTP/1.1\r\n${HEAD}\r\n`.repeat(3), until: 'answer' },
};
const WAYS = ['reset', 'end'] as const;

let on: FaultScene;
before(async () => {
  on = await FaultScene.open({ answer: answerLargely(LARGE_BYTES) });
});
after(() => on.close());

/** One client that goes away. */
function abort(stage: string, way: (typeof WAYS)[number]): Promise<void> {
  const { sent, until } = STAGES[stage]!;
  return new Promise((resolve, reject) => {
    const go = (): void => {
      if (way === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    };
    const arrived = on.app.seen.length;
    const socket = connect(on.gateway.proxyPort, '127.0.0.1', () => {
      socket.write(sent, () => {
        if (until === 'sent') go();
        else if (until === 'upstream')
          eventually(() => assert.ok(on.app.seen.length > arrived), { withinMs: 15_000, everyMs: 2 }).then(go, reject);
      });
    });
    if (until === 'answer') socket.once('data', go);
    socket.on('error', () => {}).once('close', () => resolve());
  });
}

test('at every stage, many times over: others are served, and nothing is left behind', async (t) => {
  const aborts = atScale({ suite: 600, full: 20_000 });
  const { below, seed } = seededNumbers();
  const stages = Object.keys(STAGES);
  const load = on.load();
  let left = aborts;
  const client = async (): Promise<void> => {
    while (left-- > 0) await abort(stages[below(stages.length)]!, WAYS[below(WAYS.length)]!);
  };
  await Promise.all(Array.from({ length: 16 }, client));
  const { statuses, strangers, failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.deepEqual([...strangers.keys()], [401]);
  // Requests that were held are given up with their clients.
  await eventually(() => assert.ok(on.app.held.every((response) => response.destroyed)), { withinMs: 8_000 });
  const endedAt = performance.now();
  const unharmed = await on.assertUnharmed();
  const settledMs = performance.now() - endedAt;
  const inFlight = await eventually(async () => {
    const count = (await on.gateway.metrics()).sum('portcullis_in_flight_requests');
    assert.equal(count, 0);
    return count;
  });
  found(t, {
    promise: 11,
    tried: `${aborts} clients abort, by reset or close, ${stages.join(', ')} (${seed})`,
    promised: 'others are served; descriptors and upstream connections at their baseline within 5 s',
    seen: `others ${countsText(statuses)}, strangers ${countsText(strangers)}, 0 failed; baseline after ${Math.round(settledMs)} ms, ${inFlight} in flight; ${unharmed}`,
  });
});
