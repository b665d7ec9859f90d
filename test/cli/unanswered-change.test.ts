// SPEC section 1: what failed is said in one clear sentence. A change whose answer was lost may have been made all the
// same, and to make it again is not always harmless: another rotation ends the secret that holders have.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CommandScene } from '../support/command-scene.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

let scene: CommandScene;
let redis: TestRedis;
let proxy: TcpProxy;
before(async () => {
  scene = await CommandScene.open();
  redis = await startRedis();
  proxy = await TcpProxy.to(redis.port);
});
after(async () => {
  await proxy.close();
  await redis.dispose();
  await scene.dir.remove();
});

test('a change whose answer was lost is said to be one that may have been made: exit code 1', async () => {
  const at = (port: number) => ({ store: { url: `redis://127.0.0.1:${port}` } });
  const direct = { env: { PORTCULLIS_CONFIG: await scene.variant('direct.yaml', at(redis.port)) } };
  const through = { env: { PORTCULLIS_CONFIG: await scene.variant('through.yaml', at(proxy.port)) } };
  const made = await scene.runWith(direct, 'keys', 'create', 'turned', '--json');
  assert.equal(made.code, 0, made.stderr);

  // The connection for changes is lost as soon as Redis answers a script.
  proxy.treat((direction, said) => {
    if (direction === 'to server' || !said.includes('portcullis-writer') || !/evalsha/i.test(said)) return 'pass';
    setImmediate(() => proxy.cut('reset', (each) => each.includes('portcullis-writer')));
    return 'hold';
  });
  const { code, stdout, stderr } = await scene.runWith(through, 'keys', 'rotate', 'turned');
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /^portcullis: It is not known whether key turned was changed \(.*\); see it with .*keys show turned/,
  );

  const shown = await scene.runWith(direct, 'keys', 'show', 'turned', '--json');
  assert.equal((JSON.parse(shown.stdout) as { revision: number }).revision, 2);
});

test('a change that Redis refused is not said to be one that may have been made', async () => {
  const full = await startRedis({ config: { maxmemory: '1' } });
  try {
    const config = await scene.variant('full.yaml', { store: { url: full.url } });
    const { code, stderr } = await scene.runWith({ env: { PORTCULLIS_CONFIG: config } }, 'keys', 'create', 'none');
    assert.equal(code, 1);
    assert.match(stderr, /^portcullis: The store failed: OOM/);
  } finally {
    await full.dispose();
  }
});
