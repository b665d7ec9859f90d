// The command line (SPEC section 1): exit codes, where output goes, what `check`, `schema`, `explain` and `keys` print.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { portcullis, type CommandEnd } from '../support/acceptance-cli.ts';
import { KEY_PATTERN } from '../support/acceptance-key-text.ts';
import { Scene } from '../support/acceptance-scene.ts';

let scene: Scene;
let config: string;

before(async () => {
  scene = await Scene.open('sqlite');
  config = join(scene.directory, 'good.yaml');
  const settings = {
    version: 1,
    listen: { ops: '127.0.0.1:${NO_SUCH_PORT:-9464}' },
    ...scene.settings({
      upstreams: { orders: { targets: ['http://127.0.0.1:3000'] } },
      roles: { reader: ['orders:read'] },
      plans: { free: { limits: { burst: { requests: 10, per: '1s' } } } },
      routes: {
        'read-orders': {
          path: '/orders/**',
          methods: ['GET', 'HEAD'],
          upstream: 'orders',
          scopes: ['orders:read'],
          networks: { allow: ['203.0.113.0/24'], deny: [] },
        },
        docs: { path: '/docs/**', upstream: 'orders', access: 'public' },
      },
      keys: { job: { owner: 'acme', roles: ['reader'], plan: 'free', expires: '2099-12-31' } },
    }),
  };
  await writeFile(config, stringify(settings));
  const keys = [
    { id: 'reader', owner: 'acme', secret: 'an-imported-key-of-reader', roles: ['reader'] },
    { id: 'one', owner: 'list-a', secret: 'an-imported-key-of-one' },
    { id: 'two', owner: 'list-a', secret: 'an-imported-key-of-two' },
    { id: 'three', owner: 'list-b', secret: 'an-imported-key-of-three' },
    { id: 'four', owner: 'list-c', secret: 'an-imported-key-of-four' },
  ];
  await scene.importKeys({ configFile: config }, keys);
  await scene.run({ configFile: config }, 'keys', 'disable', 'one');
});
after(() => scene.close());

const run = (...args: string[]): Promise<CommandEnd> => portcullis(args, { cwd: scene.directory });

async function configWith(name: string, text: string): Promise<string> {
  const file = join(scene.directory, name);
  await writeFile(file, text);
  return file;
}

/** Errors are one clear sentence each on standard error, without a stack trace. */
function assertSaidSo(end: CommandEnd, code: number): void {
  assert.equal(end.code, code, `${end.stdout}${end.stderr}`);
  assert.equal(end.stdout, '');
  assert.notEqual(end.stderr.trim(), '');
  assert.doesNotMatch(end.stderr, /^\s+at /m, 'no stack trace');
  assert.doesNotMatch(end.stderr, /node:internal/);
}

const BROKEN = `version: 1
nonsense: true
upstreams:
  app:
    targets: [http://127.0.0.1:3000]
roles:
  reader: [orders:read]
plans:
  quick:
    limits:
      burst: { requests: 10, per: 10ms }
routes:
  one:
    path: /orders/**
    upstream: ap
  two:
    path: /docs/**
    upstream: app
    networks: { allow: [10.1.0.0/8], deny: [] }
  three:
    path: /files/**
    upstream: app
  four:
    path: /files/**
    upstream: app
keys:
  job:
    owner: acme
    roles: [raeder]
    plan: quik
`;

const ROUTES =
  'upstreams: { app: { targets: [http://127.0.0.1:3000] } }\nroutes: { all: { path: /**, upstream: app } }\n';

describe('check', () => {
  test('prints every problem at once as FILE:LINE:COL PATH: what is wrong and what is accepted; exit 78', async () => {
    const end = await run('check', '-c', await configWith('broken.yaml', BROKEN));
    assert.equal(end.code, 78);
    const problems = problemsOf(end, 'broken.yaml');
    const wanted: readonly (readonly [where: string, text: RegExp])[] = [
      ['nonsense', /nonsense/],
      ['10ms', /\bplans\.quick\.limits\.burst\.per: /],
      ['upstream: ap', /\broutes\.one\.upstream: .*\bapp\b/],
      ['10.1.0.0/8', /10\.0\.0\.0\/8/],
      ['raeder', /\breader\b/],
      ['quik', /\bquick\b/],
    ];
    for (const [where, text] of wanted) {
      const line = BROKEN.split('\n').findIndex((each) => each.includes(where)) + 1;
      assert.ok(
        problems.some((problem) => problem.includes(`broken.yaml:${line}:`) && text.test(problem)),
        `line ${line} ${text} is not in\n${problems.join('\n')}`,
      );
    }
    assert.ok(
      problems.some((problem) => /three/.test(problem) && /four/.test(problem)),
      `routes that cannot be told apart are not in\n${problems.join('\n')}`,
    );
  });

  const refused: readonly (readonly [kind: string, text: string, ...wanted: RegExp[]])[] = [
    [
      'secret references that cannot be resolved and missing environment variables',
      'version: 1\ncredentials:\n  pepper: env:NO_SUCH_PEPPER\nlisten:\n  proxy: "127.0.0.1:${NO_SUCH_PORT}"\nROUTES',
      /:5:\d+ .*NO_SUCH_PORT/,
    ],
    [
      'a pepper that is no reference',
      'version: 1\ncredentials:\n  pepper: a-literal-text-of-32-bytes-at-least\nROUTES',
      /:3:/,
    ],
    [
      'a pepper that is not there',
      'version: 1\ncredentials:\n  pepper: env:NO_SUCH_PEPPER\nROUTES',
      /:3:.*NO_SUCH_PEPPER/,
    ],
    [
      'what this version has not got yet',
      'version: 1\ncredentials:\n  pepper: vault:secret/pepper\n  previousPeppers: [aws-sm:pepper]\nworkers: 2\nstore:\n  url: redis+tls://127.0.0.1:1/main\nlisten:\n  http: strict\nROUTES',
      /:3:\d+ credentials\.pepper: .*vault/,
      /:4:\d+ credentials\.previousPeppers\[0\]: .*aws-sm/,
      /:7:\d+ store\.url: is not a store; write .*redis:/,
      /:9:\d+ listen\.http: .*strict/,
    ],
    [
      'CIDRs that are not canonical',
      'version: 1\ntrustedProxies:\n  - 10/8\n  - ::ffff:10.0.0.0/104\n  - fe80::%eth0/64\n  - 010.0.0.0/8\n  - 10.0.0.1\nROUTES',
      ...[3, 4, 5, 6].map((line) => new RegExp(`:${line}:\\d+ trustedProxies`)),
    ],
    ['an empty file', '', /:1:1 /],
  ];
  for (const [kind, text, ...wanted] of refused) {
    test(`${kind}: refused with its cause, exit 78`, async () => {
      const name = `${kind.replaceAll(/\W+/g, '-')}.yaml`;
      const end = await run('check', '-c', await configWith(name, text.replace('ROUTES', ROUTES)));
      assert.equal(end.code, 78, `${end.stdout}${end.stderr}`);
      const problems = problemsOf(end, name).join('\n');
      for (const each of wanted) assert.match(problems, each);
    });
  }

  function problemsOf(end: CommandEnd, name: string): string[] {
    const said = `${end.stdout}${end.stderr}`;
    assert.doesNotMatch(said, /^\s+at /m, 'no stack trace');
    const problems = said.split('\n').filter((line) => line.includes(`${name}:`));
    for (const line of problems) assert.match(line, new RegExp(`${name}:\\d+:\\d+ \\S+: \\S.*`));
    return problems;
  }
});

describe('exit codes', () => {
  test('0: done; $PORTCULLIS_CONFIG names the configuration where -c does not', async () => {
    const options = { cwd: scene.directory, env: { PORTCULLIS_CONFIG: config } };
    const [help, check] = await Promise.all([run('--help'), portcullis(['check'], options)]);
    assert.equal(help.code, 0);
    assert.equal(check.code, 0, check.stderr);
  });

  test('1: failed at run time', async () => {
    assertSaidSo(await run('keys', 'show', 'no-such-key', '-c', config), 1);
  });

  test('2: wrong usage', async () => {
    const usages = [
      ['frobnicate'],
      ['keys', 'show'],
      ['keys', 'create', '--owner', 'acme', '--expires', 'tomorrow-ish', '-c', config],
      ['keys', 'create', '--owner', 'acme', '--allow', '10.1.0.0/8', '-c', config],
      ['keys', 'list', '--state', 'frobnicated', '-c', config],
    ];
    for (const end of await inPairs(usages)) assertSaidSo(end, 2);
  });

  test('78: the configuration is wrong, whatever the command', async () => {
    const file = await configWith('broken-too.yaml', BROKEN);
    const commands = [
      ['serve', '-c', file],
      ['keys', 'list', '-c', file],
      ['serve', '-c', join(scene.directory, 'not-there.yaml')],
      // Without -c and $PORTCULLIS_CONFIG it is config/portcullis.yaml, which is not there.
      ['check'],
    ];
    for (const end of await inPairs(commands)) assertSaidSo(end, 78);
  });
});

test('schema prints the JSON Schema of the configuration', async () => {
  const end = await run('schema');
  assert.equal(end.code, 0, end.stderr);
  const schema = JSON.parse(end.stdout) as { properties: Record<string, unknown>; additionalProperties: unknown };
  const sections = [
    'version',
    'listen',
    'store',
    'credentials',
    'guard',
    'upstreams',
    'roles',
    'plans',
    'routes',
    'keys',
  ];
  for (const section of sections) assert.ok(section in schema.properties, section);
  assert.equal(schema.additionalProperties, false);
});

describe('keys', () => {
  test('create mints a secret and prints it once', async () => {
    const end = await run(
      'keys',
      'create',
      '--owner',
      'acme',
      '--name',
      'once',
      '--scope',
      'orders:read',
      '-c',
      config,
    );
    assert.equal(end.code, 0, end.stderr);
    assert.equal([...end.stdout.matchAll(new RegExp(KEY_PATTERN, 'g'))].length, 1);
    assert.doesNotMatch(end.stderr, KEY_PATTERN);
  });

  test('create with a role that is not declared is refused, with a suggestion', async () => {
    const end = await run('keys', 'create', '--owner', 'acme', '--role', 'raeder', '-c', config);
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /reader/);
  });

  test('list: a table for people, one object a line with --json; --owner and --state choose', async () => {
    const [all, active, nobody, table] = await inPairs([
      ['keys', 'list', '--owner', 'list-a', '--json', '-c', config],
      ['keys', 'list', '--owner', 'list-a', '--state', 'active', '--json', '-c', config],
      ['keys', 'list', '--owner', 'nobody', '--json', '-c', config],
      ['keys', 'list', '--owner', 'list-b', '-c', config],
    ]);
    const idsOf = (end: CommandEnd | undefined): unknown[] => {
      assert.equal(end?.code, 0, end?.stderr ?? '');
      const lines = (end?.stdout ?? '').split('\n').filter((line) => line !== '');
      return lines.map((line) => (JSON.parse(line) as { id: string }).id).toSorted();
    };
    assert.deepEqual(idsOf(all), ['one', 'two']);
    assert.deepEqual(idsOf(active), ['two']);
    assert.deepEqual(idsOf(nobody), []);
    assert.match(table?.stdout ?? '', /three/);
  });

  test('every command on one key gives with --json what `keys show` gives', async () => {
    const members = async (...args: string[]): Promise<string[]> => {
      const end = await run('keys', ...args, '--json', '-c', config);
      assert.equal(end.code, 0, `${args.join(' ')}: ${end.stderr}`);
      return Object.keys(JSON.parse(end.stdout) as object).toSorted();
    };
    const shown = await members('show', 'four');
    for (const args of [
      ['update', 'four', '--name', 'renamed'],
      ['disable', 'four'],
      ['revoke', 'four'],
    ]) {
      assert.deepEqual(await members(...args), shown, args.join(' '));
    }
  });
});

test('explain says what would be decided and why, check by check', async () => {
  const ask = (key: string, from: string, ...more: string[]): string[] => {
    const request = ['--key', key, '--method', 'GET', '--path', '/orders/7', '--from', from];
    return ['explain', ...request, '-c', config, ...more];
  };
  const [allowed, network, scope, json] = await inPairs([
    ask('reader', '203.0.113.9'),
    ask('reader', '198.51.100.9'),
    ask('two', '203.0.113.9'),
    ask('reader', '198.51.100.9', '--json'),
  ]);
  for (const end of [allowed, network, scope, json]) assert.equal(end?.code, 0, end?.stderr ?? '');
  assert.match(allowed?.stdout ?? '', /allow/i);
  assert.match(allowed?.stdout ?? '', /read-orders/);
  assert.match(network?.stdout ?? '', /network_denied/);
  assert.match(scope?.stdout ?? '', /scope_missing/);
  assert.match(scope?.stdout ?? '', /orders:read/);
  assert.match(JSON.stringify(JSON.parse(json?.stdout ?? '')), /network_denied/);
});

/** Runs commands two at a time; gives their ends in the order of the commands. */
async function inPairs(commands: readonly (readonly string[])[]): Promise<CommandEnd[]> {
  const ends: CommandEnd[] = [];
  for (let at = 0; at < commands.length; at += 2) {
    ends.push(...(await Promise.all(commands.slice(at, at + 2).map((args) => run(...args)))));
  }
  return ends;
}
