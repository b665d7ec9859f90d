// However many gateways share the store, the sum of what they admit never exceeds the limit: 8 processes on one Redis,
// 2,000 parallel requests, a limit of 100.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, request } from 'node:http';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const GATEWAYS = 8;
const REQUESTS = 2000;
const LIMIT = 100;
const key = 'an-imported-key-of-everyone';

let scene: Scene;
let gateways: GatewayProcess[];
// Every request has a connection of its own, all open at the same time.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

before(async () => {
  scene = await Scene.open('redis');
  const app = await scene.upstream((incoming, response) => {
    incoming.resume();
    response.end('ok');
  });
  // An hour, so that neither the edge of a window nor a bucket's refill falls into the test.
  const limit = { requests: LIMIT, per: '1h', by: 'key' };
  const settings = {
    // What is asked here is the sum, not how soon 2 cores get 8 processes through it.
    store: { url: scene.store.url, timeout: '10s' },
    log: { requests: 'denied' },
    upstreams: { app: { targets: [app.url] } },
    routes: {
      sliding: { path: '/sliding', upstream: 'app', limits: { calls: { ...limit, algorithm: 'sliding' } } },
      fixed: { path: '/fixed', upstream: 'app', limits: { calls: { ...limit, algorithm: 'fixed' } } },
      bucket: { path: '/bucket', upstream: 'app', limits: { calls: { ...limit, algorithm: 'bucket', burst: LIMIT } } },
      free: { path: '/free', upstream: 'app' },
    },
  };
  gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => scene.gateway(settings)));
  await scene.importKeys(gateways[0] as GatewayProcess, [{ id: 'everyone', owner: 'all', secret: key }]);
  for (const gateway of gateways) await eventually(async () => assert.equal((await get(gateway, '/free')).status, 200));
});
after(async () => {
  agent.destroy();
  await scene.close();
});

for (const algorithm of ['sliding', 'fixed', 'bucket']) {
  test(`${algorithm}: exactly ${LIMIT} of ${REQUESTS} parallel requests pass through ${GATEWAYS} gateways`, async (t) => {
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, (_, at) => get(gateways[at % GATEWAYS] as GatewayProcess, `/${algorithm}`)),
    );
    const counts: Record<number, number> = {};
    for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
    assert.deepEqual(counts, { 200: LIMIT, 429: REQUESTS - LIMIT });
    // Each remainder is told to exactly one of those that passed.
    const left = answers.filter(({ status }) => status === 200).map(({ remaining }) => remaining);
    assert.deepEqual(
      left.toSorted((a, b) => a - b),
      Array.from({ length: LIMIT }, (_, at) => at),
    );
    found(t, {
      promise: 2,
      tried: `${GATEWAYS} gateways on one Redis, ${REQUESTS} parallel requests, a ${algorithm} limit of ${LIMIT}`,
      promised: `exactly ${LIMIT} pass`,
      seen: `200 ×${counts[200]}, 429 ×${counts[429]}; each remainder told once`,
    });
  });
}

function get(gateway: GatewayProcess, path: string): Promise<{ status: number; remaining: number }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: gateway.proxyPort, path, agent, headers: { 'X-Api-Key': key } };
    request(options, (response) => {
      const remaining = Number(/;r=(\d+)/.exec(String(response.headers['ratelimit']))?.[1] ?? -1);
      response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, remaining }));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}
