// SPEC section 1: `explain` says what would be decided and why, check by check; `schema` prints the schema.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rewriteStored } from '../support/acceptance-store-bytes.ts';
import { CommandScene } from '../support/command-scene.ts';

describe('explain', () => {
  let scene: CommandScene;
  before(async () => {
    scene = await CommandScene.open();
    await scene.json('keys', 'create', 'reader', '--role', 'reader', '--plan', 'free', '--allow', '203.0.113.0/24');
    await scene.json('keys', 'create', 'nothing');
  });
  after(() => scene.dir.remove());

  test('a request that would pass: every check with its result, as aligned lines', async () => {
    const { code, stdout, stderr } = await scene.run(
      ...'explain --key reader --method GET --path /orders/7 --from 203.0.113.9'.split(' '),
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^allowed: the upstream answers \(reason key, route orders\)\n\n/);
    assert.match(stdout, /^key {6}pass {2}reader, owner none$/m);
    assert.match(stdout, /^limits {3}pass {2}burst: 9 of 10 would be left$/m);
  });

  test('asking takes nothing from any limit', async () => {
    const ask = ['explain', '--key', 'reader', '--path', '/orders/7', '--from', '203.0.113.9'];
    const answers = [await scene.jsonOne(...ask), await scene.jsonOne(...ask)];
    assert.deepEqual(answers[0], answers[1]);
  });

  for (const [why, args, status, code] of [
    ['the network', ['--key', 'reader', '--path', '/orders/7', '--from', '198.51.100.1'], 403, 'network_denied'],
    ['the scope', ['--key', 'nothing', '--path', '/orders/7'], 403, 'scope_missing'],
    ['no key', ['--path', '/orders/7'], 401, 'key_missing'],
    ['no route', ['--key', 'reader', '--path', '/other'], 404, 'route_not_found'],
    ['an ambiguous path', ['--key', 'reader', '--path', '/orders/../admin'], 400, 'ambiguous_request'],
    [
      'an upgrade',
      ['--key', 'reader', '--path', '/orders/7', '--from', '203.0.113.9', '--upgrade', 'websocket'],
      426,
      'upgrade_refused',
    ],
  ] as const) {
    test(`a request that would be denied for ${why}: ${status} ${code}`, async () => {
      const explanation = await scene.jsonOne('explain', ...args);
      assert.deepEqual([explanation['outcome'], explanation['status'], explanation['code']], ['denied', status, code]);
      const checks = explanation['checks'] as { check: string; result: string; detail: string }[];
      assert.equal(checks.filter(({ result }) => result === 'deny').length, 1);
    });
  }

  test('a key that does not exist: one clear sentence and exit code 1', async () => {
    const { code, stdout, stderr } = await scene.run('explain', '--key', 'nobody', '--path', '/orders/7');
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, 'portcullis: there is no key nobody; portcullis keys list shows the ids\n');
  });

  test('a record that was changed without the pepper is one that nobody has', async () => {
    await scene.json('keys', 'create', 'forged', '--scope', 'things:zero');
    await rewriteStored(
      { kind: 'sqlite', url: '', file: scene.storeFile, close: async () => {} },
      'things:zero',
      'orders:read',
    );
    const explanation = await scene.jsonOne('explain', '--key', 'forged', '--path', '/orders/7');
    assert.deepEqual([explanation['status'], explanation['reason']], [401, 'unknown']);
  });
});

test('schema prints the JSON Schema of the configuration, without needing one', async () => {
  const scene = await CommandScene.open();
  try {
    const { code, stdout, stderr } = await scene.runWith({ env: { PORTCULLIS_CONFIG: '/absent.yaml' } }, 'schema');
    assert.deepEqual([code, stderr], [0, '']);
    const schema = JSON.parse(stdout) as { properties: Record<string, unknown> };
    assert.ok('routes' in schema.properties);
  } finally {
    await scene.dir.remove();
  }
});
