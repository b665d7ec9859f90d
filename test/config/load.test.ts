// What a file becomes, and files that cannot be read at all.
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { describe, test } from 'node:test';
import { loadConfig, type LoadedConfig, readConfig } from '../../src/config/load.ts';
import { ConfigFault } from '../../src/config/problem.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const good = `${import.meta.dirname}/../fixtures/config/good`;
const root = `${import.meta.dirname}/../..`;
const env = {
  PEPPER: 'p'.repeat(32),
  OLD_PEPPER: 'o'.repeat(32),
  HOST: '127.0.0.1',
  RETRIES: '3',
  EMPTY: '',
  BEARER: 'false',
  PEPPER_NAME: 'PEPPER',
  SCOPE: 'orders:read',
  NESTED: 'holds ${HOST}',
  NUMERIC_OWNER: '42',
};

const loadGood = (name: string): Promise<LoadedConfig> => loadConfig(`${good}/${name}.yaml`, env);

/** The only problem's line without the file. */
async function problemOf(load: Promise<unknown>): Promise<string> {
  const fault = await load.then(
    () => assert.fail('was accepted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(fault instanceof ConfigFault, String(fault));
  assert.equal(fault.problems.length, 1, fault.message);
  const { line, column, path, message } = fault.problems[0]!;
  return `${line}:${column} ${path}: ${message}`;
}

/** Loads a text from a file of its own. */
async function loadText(text: string | Buffer): Promise<LoadedConfig> {
  await using directory = await makeTempDir();
  await writeFile(directory.file('portcullis.yaml'), text);
  return await loadConfig(directory.file('portcullis.yaml'), env);
}

test('every good file is accepted', async () => {
  for (const file of await readdir(good)) await loadConfig(`${good}/${file}`, env);
});

test('the sample configuration is accepted', async () => {
  const { config, file } = await loadConfig(`${root}/config/portcullis.yaml`, {});
  assert.deepEqual(config.upstreams['orders']?.targets, ['http://127.0.0.1:3000']);
  assert.equal(config.store.url, 'sqlite:data/portcullis.db');
  assert.ok(isAbsolute(file));
});

test('what the file leaves out has the default of the specification', async () => {
  const { config } = await loadGood('minimal');
  assert.deepEqual(config, {
    version: 1,
    listen: { proxy: '127.0.0.1:8080', ops: '127.0.0.1:9464', http: 'node' },
    trustedProxies: [],
    workers: 1,
    store: { url: 'sqlite:data/portcullis.db', prefix: 'portcullis', timeout: 100, maxStaleness: 10_000 },
    credentials: {
      header: 'x-api-key',
      bearer: true,
      query: null,
      prefix: 'ptc_live',
      pepper: 'file:data/pepper',
      previousPeppers: [],
    },
    guard: { failures: 20, per: 60_000, block: 300_000 },
    upstreams: {},
    roles: {},
    plans: {},
    routes: {},
    keys: {},
    identityHeaders: {
      owner: 'X-Consumer-Id',
      key: 'X-Credential-Identifier',
      roles: 'X-Consumer-Groups',
      scopes: 'X-Authenticated-Scope',
    },
    log: { level: 'info', requests: 'all' },
    shutdown: { delay: 0, timeout: 30_000 },
  });
});

test('durations become ms, sizes bytes, dates ms since the epoch', async () => {
  const { config } = await loadGood('everything');
  assert.equal(config.guard.block, 3_600_000);
  assert.equal(config.plans['free']?.limits['daily']?.per, 86_400_000);
  assert.equal(config.routes['search']?.maxBody, 512);
  assert.equal(config.keys['billing-job']?.expires, Date.parse('2027-12-31T10:00:00Z'));
});

test('a date without time lasts to its end in UTC', async () => {
  const { config } = await loadText('version: 1\nkeys:\n  job: { expires: 2027-12-31 }\n');
  assert.equal(config.keys['job']?.expires, Date.parse('2028-01-01T00:00:00Z'));
});

test('variables are put into texts, once, with defaults and an escape', async () => {
  const { config } = await loadGood('variables');
  assert.deepEqual(config.upstreams['orders']?.targets, ['http://127.0.0.1:3000']);
  assert.equal(config.upstreams['orders']?.responseTimeout, 45_000, 'an empty variable takes the default');
  assert.deepEqual(config.roles['reader'], ['orders:read']);
  assert.equal(config.keys['job']?.owner, 'costs $5 or ${HOST}');
  assert.equal(config.keys['job']?.name, 'holds ${HOST}', 'what was put in is not looked through again');
});

test('a variable counts as a number or boolean only where the field takes one', async () => {
  const { config } = await loadGood('variables');
  assert.equal(config.upstreams['orders']?.retries, 3);
  assert.equal(config.credentials.bearer, false);
  assert.equal(config.keys['other']?.owner, '42');
});

test('an alias stands for the whole value of its anchor', async () => {
  const { config } = await loadGood('aliases');
  assert.deepEqual(config.upstreams['customers'], config.upstreams['orders']);
});

test('an alias stands for the last anchor of its name before it, wherever it is read', async () => {
  const { config } = await loadText(
    'version: 1\nroles:\n  a: &x [&s a:one]\n  b: *x\n  c: &s [b:two]\n  d: *s\n  e: *x\n  f: &x [c:three]\n  g: *x\n',
  );
  const { a, b, d, e, g } = config.roles;
  assert.deepEqual([a, b, d, e, g], [['a:one'], ['a:one'], ['b:two'], ['a:one'], ['c:three']]);
  assert.equal(
    await problemOf(loadText('version: 1\nroles:\n  a: *x\n  b: &x [a]\n')),
    '3:3 roles.a: is an alias of nothing; set its anchor (&name) before it',
  );
});

describe('much is read in a time that grows with it, whatever is wrong', () => {
  const COUNT = 20_000;
  // With a look at all the rest for each, any of them takes minutes.
  const PATIENCE = { timeout: 60_000 };
  const problemsOf = async (key: (at: number) => unknown): Promise<number> => {
    const keys = Object.fromEntries(Array.from({ length: COUNT }, (_, at) => [`k${at}`, key(at)]));
    const fault: unknown = await readConfig({ version: 1, keys }, env).catch((thrown: unknown) => thrown);
    assert.ok(fault instanceof ConfigFault, String(fault));
    return fault.problems.length;
  };

  test('aliases', PATIENCE, async () => {
    const scopes = '      - *s\n'.repeat(COUNT);
    const { config } = await loadText(`version: 1\nroles: { r: [&s a:read] }\nkeys:\n  k:\n    scopes:\n${scopes}`);
    assert.equal(config.keys['k']?.scopes.length, COUNT);
  });
  test('fields that are unknown', PATIENCE, async () => {
    assert.equal(await problemsOf(() => ({ ownr: 'o' })), COUNT);
  });
  test('variables that are not set', PATIENCE, async () => {
    assert.equal(await problemsOf((at) => ({ owner: `\${NOPE${at}}` })), COUNT);
  });
});

test('more that is wrong than can be told is one problem', async () => {
  const roles = { reader: Array.from({ length: 300_000 }, () => 'A') };
  assert.equal(
    await problemOf(readConfig({ version: 1, roles }, env)),
    '0:0 (file): has more that is wrong than can be told; name the right file, or check it in parts',
  );
});

test('the hash follows what the configuration means, not how it is written', async () => {
  const one = await loadText('version: 1\nlog: { level: warn, requests: all }\n');
  const same = await loadText('# a comment\nlog:\n  requests: all\n  level: "warn"\nversion: 1\n');
  const other = await loadText('version: 1\nlog: { level: error }\n');
  assert.match(one.hash, /^[0-9a-f]{64}$/);
  assert.equal(one.hash, same.hash);
  assert.notEqual(one.hash, other.hash);
});

test("the hash says nothing of the store's password", async () => {
  const withPassword = (password: string): Promise<LoadedConfig> =>
    readConfig(
      { version: 1, store: { url: `redis://:${password}@h:1/0` }, credentials: { pepper: 'env:PEPPER' } },
      env,
    );
  assert.equal((await withPassword('one')).hash, (await withPassword('two')).hash);
});

test('a missing file, a directory and a file over the bound are told in a sentence', async () => {
  await using directory = await makeTempDir();
  assert.equal(
    await problemOf(loadConfig(directory.file('none.yaml'), {})),
    '1:1 (file): does not exist; make it, or name another file',
  );
  await mkdir(directory.file('folder.yaml'));
  assert.equal(
    await problemOf(loadConfig(directory.file('folder.yaml'), {})),
    '1:1 (file): is a directory; name a file in it',
  );
  assert.match(
    await problemOf(loadText(`version: 1\n#${'x'.repeat(4 * 1024 * 1024)}\n`)),
    /^1:1 \(file\): has more than 4194304 bytes; /,
  );
});

test('bytes that are not UTF-8 are refused, a byte order mark is not', async () => {
  assert.equal(await problemOf(loadText(Buffer.from([0x76, 0xff]))), '1:1 (file): is not UTF-8; save it as UTF-8');
  await loadText('\ufeffversion: 1\n');
});

test('endless nesting is refused, not run into', async () => {
  await assert.rejects(loadText(`version: 1\nroles: ${'['.repeat(100_000)}`), ConfigFault);
  const knot: Record<string, unknown> = { version: 1 };
  knot['roles'] = knot;
  await assert.rejects(readConfig(knot, env), ConfigFault);
});

test('where a file is nested too deep is told alike, however deep the stack is already', async () => {
  const deeper = async (levels: number, text: string): Promise<string> =>
    levels === 0 ? problemOf(loadText(text)) : (() => deeper(levels - 1, text))();
  // Some of these a parser that calls itself for each level can read with much of the stack left, and not with less.
  const depths = [300, 600, 900, 1_200, 1_500, 2_000, 3_000, 20_000];
  for (const text of depths.flatMap((depth) => ['- '.repeat(depth), `version: ${'['.repeat(depth)}`]))
    for (const levels of [0, 500]) assert.match(await deeper(levels, text), /: is nested too deep; flatten it$/);
});

test('a program passes an object by the same rules, and is told paths without lines', async () => {
  const { config } = await readConfig({ version: 1, roles: { reader: ['${SCOPE}'] } }, env);
  assert.deepEqual(config.roles, { reader: ['orders:read'] });
  await assert.rejects(readConfig({ version: 1, rotues: {} }, env), {
    message: /^\(configuration\) rotues: is not a field here; did you mean routes\? Accepted: version, /,
  });
});

test('names of built-in properties are ordinary names', async () => {
  const { config } = await loadText(
    'version: 1\nroles: { constructor: [orders:read] }\nkeys: { toString: { roles: [constructor] } }\n',
  );
  assert.deepEqual(Object.keys(config.keys), ['toString']);
  assert.equal(
    await problemOf(loadText('version: 1\nroles: { reader: [a] }\nkeys: { job: { roles: [constructor] } }\n')),
    '3:24 keys.job.roles[0]: constructor is no role; declared under roles: reader',
  );
});

test('what a problem repeats of a file is cut short, and nothing in it is obeyed by a terminal', async () => {
  const long = 'a'.repeat(100_000);
  for (const text of [
    `version: ${long}\n`,
    `version: 1\n${long}: 1\n`,
    `version: 1\nroutes: { "${long}": { } }\n`,
    `version: 1\n"\\u009b2J": 1\n`,
    `version: 1\nroles: |${long}\n`,
  ]) {
    const problem = await problemOf(loadText(text));
    assert.ok(problem.length < 3_000, `${problem.length} characters`);
    assert.doesNotMatch(problem, /[^\P{Cc}\n]/u);
  }
});
