// SPEC section 1: wrong usage is exit code 2, a wrong configuration 78, each with one clear sentence.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { mintKeyText } from '../../src/core/api-key.ts';
import { CommandScene } from '../support/command-scene.ts';

const SECRET = mintKeyText('ptc_live', Buffer.alloc(32, 5));

const MISUSES: readonly (readonly [command: string, says: RegExp])[] = [
  ['kesy', /unknown command 'kesy' \(Did you mean keys\?\); see portcullis --help/],
  ['keys crate', /unknown command 'crate' \(Did you mean create\?\); see portcullis keys --help/],
  ['keys list --ownr acme', /unknown option '--ownr' \(Did you mean --owner\?\); see portcullis keys list --help/],
  ['keys list --state off', /Allowed choices are active, disabled, revoked, expired, undeclared, tampered/],
  ['keys list extra', /too many arguments/],
  ['keys create one two', /too many arguments/],
  ['keys create ../etc', /"\.\.\/etc" is not a key id, which takes 1 to 64 of/],
  [`keys create ${SECRET}`, /that is a key's secret, not its id/],
  ['keys create --role raeder', /role "raeder" is not in the configuration; did you mean reader\?/],
  ['keys create --role zzz', /role "zzz" is not in the configuration; it has reader, writer/],
  ['keys create --plan fre', /plan "fre" is not in the configuration; did you mean free\?/],
  ['keys create --scope Orders', /scope "Orders" is not a scope that can be granted; write one like orders:read/],
  [
    'keys create --allow 10.1.0.0/8',
    /allow "10\.1\.0\.0\/8" has bits set behind its prefix; the block is 10\.0\.0\.0\/8/,
  ],
  ['keys create --deny 10.0.0.1', /deny "10\.0\.0\.1" has no prefix length; write 10\.0\.0\.1\/32/],
  ['keys create --expires soon', /argument 'soon' is invalid\. Write 90d, 12h, 2027-12-31/],
  ['keys create --expires 2001-01-01', /expires is in the past; give a later date/],
  ['keys create --expires 999999999d', /expires is too far ahead/],
  ['keys create --meta plain', /--meta takes NAME=VALUE, and "plain" is not/],
  // As scripts write it with a variable that is not set: a key without its limits would be laxer than asked for.
  ['keys create --plan ', /plan "" is not in the configuration/],
  ['keys update one --plan ', /plan "" is not in the configuration/],
  ['keys create --owner ', /owner takes 1 to 256 characters/],
  ['keys update one --name ', /name takes 1 to 256 characters/],
  ['keys create --owner', /option '--owner <OWNER>' argument missing/],
  ['keys show', /missing required argument 'ID'; see portcullis keys show --help/],
  [`keys show ${SECRET}`, /that is a key's secret, not its id/],
  ['keys update one', /nothing to change was given; portcullis keys update --help/],
  ['keys update', /missing required argument 'ID'/],
  ['keys update one --role zzz', /role "zzz" is not in the configuration/],
  ['keys rotate', /missing required argument 'ID'/],
  ['keys rotate one --grace 1y', /Write a duration like 10s, 24h or 7d, up to 366d, or 0/],
  ['keys rotate one --grace -1', /'-1' is invalid\. Write a duration|argument missing/],
  ['keys disable', /missing required argument 'ID'/],
  ['keys enable one two', /too many arguments/],
  ['keys revoke', /missing required argument 'ID'/],
  ['keys import', /missing required argument 'FILE'/],
  ['check extra', /too many arguments/],
  ['schema --yaml', /unknown option '--yaml'/],
  ['serve --port 80', /unknown option '--port'/],
  ['explain', /required option '--path <PATH>' not specified/],
  ['explain --path / --host [::1', /'\[::1' is invalid\. Write a host name/],
  ['explain --path / --from 010.0.0.1', /'010\.0\.0\.1' is invalid\. Write one address/],
];

describe('wrong usage', () => {
  let scene: CommandScene;
  before(async () => {
    scene = await CommandScene.open();
  });
  after(() => scene.dir.remove());

  for (const [command, says] of MISUSES) {
    test(`portcullis ${command.replace(SECRET, 'SECRET')}: exit code 2, one clear sentence`, async () => {
      const { code, stdout, stderr } = await scene.run(...command.split(' '));
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, says);
      assert.match(stderr, /^portcullis: [^\n]+\n$/);
      assert.ok(!stderr.includes(SECRET), 'a secret is repeated');
    });
  }

  test('no command: its help, on standard error, and exit code 2', async () => {
    for (const args of [[], ['keys']]) {
      const { code, stdout, stderr } = await scene.run(...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^Usage: portcullis /);
    }
  });

  test("--help of every command has an example; --version is the package's", async () => {
    const commands = ['', 'serve', 'check', 'schema', 'explain'];
    const ofKeys = ['create', 'list', 'show', 'update', 'rotate', 'disable', 'enable', 'revoke', 'import'];
    for (const command of [...commands, ...ofKeys.map((name) => `keys ${name}`)]) {
      const { code, stdout } = await scene.run(...command.split(' ').filter(Boolean), '--help');
      assert.equal(code, 0);
      assert.match(stdout, /^Examples?:\n {2}\$ portcullis /m, command);
      assert.match(stdout, /-c, --config <FILE>/, command);
    }
    const { code, stdout } = await scene.run('--version');
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\S*\n$/);
  });
});

describe('the configuration', () => {
  let scene: CommandScene;
  before(async () => {
    scene = await CommandScene.open();
  });
  after(() => scene.dir.remove());

  test('-c, --config is taken before and behind the command, and goes before PORTCULLIS_CONFIG', async () => {
    const env = { PORTCULLIS_CONFIG: scene.dir.file('absent.yaml') };
    for (const args of [
      ['-c', scene.configFile, 'keys', 'list', '--json'],
      ['keys', '-c', scene.configFile, 'list', '--json'],
      ['keys', 'list', '--json', '--config', scene.configFile],
    ]) {
      const { code, stderr } = await scene.runWith({ env }, ...args);
      assert.deepEqual([code, stderr], [0, '']);
    }
    const { code, stderr } = await scene.runWith({ env }, 'keys', 'list');
    assert.equal(code, 78);
    assert.match(stderr, /absent\.yaml\S* \(file\): does not exist/);
  });

  test('a wrong one: every command exits with 78 and prints every problem with its place', async () => {
    const wrong = await scene.variant('wrong.yaml', {
      roles: { reader: ['Orders'] },
      keys: { job: { roles: ['raeder'], networks: { allow: ['10/8'] } } },
    });
    for (const command of ['check', 'keys list', 'keys create', 'keys import x', 'explain --path /', 'serve']) {
      const { code, stdout, stderr } = await scene.run(...command.split(' '), '-c', wrong);
      assert.deepEqual([code, stdout], [78, ''], command);
      const lines = stderr.trimEnd().split('\n');
      assert.equal(lines.length, 3, stderr);
      for (const line of lines) assert.match(line, /^\S+wrong\.yaml:\d+:\d+ \S+: ./);
    }
  });

  test('check --json gives the problems as one object', async () => {
    const wrong = await scene.variant('wrong.yaml', { workers: 0 });
    const { code, stdout, stderr } = await scene.run('check', '--json', '-c', wrong);
    assert.deepEqual([code, stderr], [78, '']);
    const { valid, problems } = JSON.parse(stdout) as { valid: boolean; problems: Record<string, unknown>[] };
    assert.equal(valid, false);
    assert.deepEqual([problems[0]?.['path'], typeof problems[0]?.['line']], ['workers', 'number']);
  });

  test('check of a good one prints one line', async () => {
    const { code, stdout, stderr } = await scene.run('check');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\S+portcullis\.yaml is valid: 1 route, 1 upstream, 1 declared key\.\n$/);
  });

  test('a store that cannot be reached: one sentence and exit code 1', async () => {
    const away = await scene.variant('away.yaml', { store: { url: 'redis://127.0.0.1:1' } });
    const { code, stdout, stderr } = await scene.run('keys', 'list', '-c', away);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^portcullis: Redis at 127\.0\.0\.1:1 is not reachable[^\n]*; see that the store [^\n]*\n$/);
  });
});
