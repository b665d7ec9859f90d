// Commands on a Redis that refuses them, each in a way of its own: one sentence with the cure, nothing half done, and a
// change that is told as made is one that a running gateway has heard of, also where it is made again after a failure.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { portcullis, type CommandEnd } from '../support/acceptance-cli.ts';
import { send } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';

const SECRET = 'an-imported-key-of-commands';

/** How it is broken, how it is healed, and what a change is to say of it. */
type Fault = readonly [what: string, breaks: Words, heals: Words, says: RegExp];
type Words = readonly [string, ...string[]];

const FAULTS: readonly Fault[] = [
  [
    'out of memory',
    ['config', 'set', 'maxmemory', '1mb'],
    ['config', 'set', 'maxmemory', '0'],
    /OOM.*; raise its maxm/,
  ],
  [
    'short of replicas',
    ['config', 'set', 'min-replicas-to-write', '2'],
    ['config', 'set', 'min-replicas-to-write', '0'],
    /NOREPLICAS.*; bring its replicas back/,
  ],
  ['a replica', ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one'], /READONLY.*; .*have store\.url lead to/],
  [
    'without the right to write to the change feed',
    ['acl', 'setuser', 'default', '-xadd'],
    ['acl', 'setuser', 'default', '+xadd'],
    /can't run this command.*; give the user of store\.url the right/,
  ],
  [
    'with something else in the place of the change feed',
    ['eval', "redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('SET', KEYS[1], 'x')", '2', ...changesAndAside()],
    ['eval', "redis.call('RENAME', KEYS[2], KEYS[1])", '2', ...changesAndAside()],
    /WRONGTYPE.*; something else has written/,
  ],
];

describe('commands, and a Redis that refuses them', () => {
  let scene: Scene;
  let redis: TestRedis;
  let gateway: GatewayProcess;
  before(async () => {
    scene = await Scene.open('sqlite');
    redis = await startRedis();
    const upstream = await scene.upstream();
    gateway = await scene.gateway({
      store: { url: redis.url },
      upstreams: { app: { targets: [upstream.url] } },
      routes: { plain: { path: '/plain', upstream: 'app' } },
    });
    await scene.importKeys(gateway, [{ id: 'used', owner: 'acme', secret: SECRET }]);
  });
  after(async () => {
    await scene.close();
    await redis.dispose();
  });

  const ask = async (): Promise<number> =>
    (await send(gateway.proxyPort, { target: '/plain', headers: { 'X-Api-Key': SECRET } })).status;
  const keys = (...words: string[]): Promise<CommandEnd> =>
    portcullis(['keys', ...words, '-c', gateway.configFile], { cwd: scene.directory });

  for (const [what, breaks, heals, says] of FAULTS)
    it(`${what}: a change fails in one sentence, twice, and is heard of when it is made`, async (t) => {
      await eventually(async () => assert.equal(await ask(), 200));
      await tell(redis, ...breaks);
      try {
        // What failed once must not be taken for done by who tries again.
        for (let tries = 0; tries < 2; tries++) {
          const { code, stdout, stderr } = await keys('disable', 'used');
          assert.equal(code, 1, stdout);
          assert.match(stderr, says);
          assert.match(stderr, /^portcullis: [^\n]*\n$/);
        }
      } finally {
        await tell(redis, ...heals);
      }
      await eventually(async () => assert.equal(await ask(), 200));
      await eventually(async () => assert.equal((await keys('disable', 'used')).code, 0));
      const doneMs = performance.now();
      await eventually(async () => assert.equal(await ask(), 401));
      const heardMs = Math.round(performance.now() - doneMs);
      assert.equal((await keys('enable', 'used')).code, 0);
      found(t, {
        promise: 6,
        tried: `a key disabled on a Redis ${what}, and again when it is well`,
        promised: 'one sentence with the cure and nothing half done; heard of within 1 s once it is done',
        seen: `exit 1 with the cure, twice; then done, and refused by the gateway ${heardMs} ms later`,
      });
    });
});

function changesAndAside(): [string, string] {
  return ['{portcullis}:changes', '{portcullis}:aside'];
}
