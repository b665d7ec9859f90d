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
    path: /docs/**
    upstream: app
keys:
  job:
    owner: acme
    roles: [raeder]
    plan: quik
`;

describe('check', () => {
  test('a good configuration: exit 0', async () => {
    const end = await run('check', '-c', config);
    assert.equal(end.code, 0, end.stderr);
  });

  test('prints every problem at once as FILE:LINE:COL PATH: what is wrong and what is accepted; exit 78', async () => {
    const file = await configWith('broken.yaml', BROKEN);
    const end = await run('check', '-c', file);
    assert.equal(end.code, 78);
    const lines = `${end.stdout}${end.stderr}`.trim().split('\n');
    const problems = lines.filter((line) => line.includes('broken.yaml:'));
    for (const line of problems) assert.match(line, /broken\.yaml:\d+:\d+ \S+: \S.*/);
    const lineOf = (text: string): number => BROKEN.split('\n').findIndex((line) => line.includes(text)) + 1;
    const wanted: readonly (readonly [line: number, text: RegExp])[] = [
      [lineOf('nonsense'), /nonsense/],
      [lineOf('10ms'), /per/],
      [lineOf('upstream: ap\n'.trim()), /upstream.*app/],
      [lineOf('10.1.0.0/8'), /10\.0\.0\.0\/8/],
      [lineOf('raeder'), /reader/],
      [lineOf('quik'), /quick/],
    ];
    for (const [line, text] of wanted) {
      assert.ok(
        problems.some((problem) => problem.includes(`broken.yaml:${line}:`) && text.test(problem)),
        `line ${line} ${text} is not in\n${problems.join('\n')}`,
      );
    }
    assert.ok(
      problems.some((problem) => /two/.test(problem) && /three/.test(problem)),
      `routes that cannot be told apart are not in\n${problems.join('\n')}`,
    );
  });

  const refused: Readonly<Record<string, (readonly [text: string, wanted: RegExp])[]>> = {
    'a secret reference that cannot be resolved': [
      ['version: 1\ncredentials: { pepper: env:NO_SUCH_VARIABLE }\nROUTES', /NO_SUCH_VARIABLE/],
      ['version: 1\ncredentials: { pepper: a-literal-text-of-at-least-32-bytes }\nROUTES', /pepper/],
    ],
    'a missing environment variable': [
      ['version: 1\nlisten: { proxy: "127.0.0.1:${NO_SUCH_PORT}" }\nROUTES', /NO_SUCH_PORT/],
    ],
    'what this version has not got yet': [
      ['version: 1\ncredentials: { pepper: "vault:secret/pepper" }\nROUTES', /vault/],
      ['version: 1\ncredentials: { pepper: "aws-sm:pepper" }\nROUTES', /aws-sm/],
      ['version: 1\nworkers: 2\nROUTES', /workers/],
      ['version: 1\nstore: { url: "redis+sentinel://127.0.0.1:1/main" }\nROUTES', /redis\+sentinel/],
      ['version: 1\nstore: { url: "redis+cluster://127.0.0.1:1" }\nROUTES', /redis\+cluster/],
      ['version: 1\nlisten: { http: strict }\nROUTES', /strict/],
    ],
    'no configuration of this version': [
      ['version: 2\nROUTES', /version/],
      ['', /./],
      ['just a text', /./],
      ['version: 1\nversion: 1\nROUTES', /version/],
    ],
    'CIDRs that are not canonical': [
      ['version: 1\ntrustedProxies: [10/8]\nROUTES', /10\/8/],
      ['version: 1\ntrustedProxies: ["::ffff:10.0.0.0/104"]\nROUTES', /::ffff/],
      ['version: 1\ntrustedProxies: ["fe80::%eth0/64"]\nROUTES', /eth0/],
      ['version: 1\ntrustedProxies: [010.0.0.0/8]\nROUTES', /010/],
    ],
  };
  const ROUTES =
    'upstreams: { app: { targets: [http://127.0.0.1:3000] } }\nroutes: { all: { path: /**, upstream: app } }\n';
  for (const [kind, cases] of Object.entries(refused)) {
    test(`${kind}: refused with its cause, exit 78`, async () => {
      await Promise.all(
        cases.map(async ([text, wanted], at) => {
          const file = await configWith(`${kind.replaceAll(' ', '-')}-${at}.yaml`, text.replace('ROUTES', ROUTES));
          const end = await run('check', '-c', file);
          assert.equal(end.code, 78, `${text}: ${end.stdout}${end.stderr}`);
          const said = `${end.stdout}${end.stderr}`;
          assert.match(said, wanted);
          assert.match(said, /\.yaml:\d+:\d+ /);
          assert.doesNotMatch(said, /^\s+at /m);
        }),
      );
    });
  }

  test('${NAME:-default} takes the default', async () => {
    const file = await configWith(
      'default.yaml',
      `version: 1\nlisten: { ops: "127.0.0.1:\${NO_SUCH_PORT:-9464}" }\n${ROUTES}`,
    );
    assert.equal((await run('check', '-c', file)).code, 0);
  });
});

describe('exit codes', () => {
  test('0: --help and --version', async () => {
    for (const option of ['--help', '--version']) assert.equal((await run(option)).code, 0);
  });

  test('1: failed at run time', async () => {
    assertSaidSo(await run('keys', 'show', 'no-such-key', '-c', config), 1);
    assertSaidSo(await run('keys', 'revoke', 'no-such-key', '-c', config), 1);
  });

  test('2: wrong usage', async () => {
    for (const args of [
      ['frobnicate'],
      ['serve', '--frobnicate'],
      ['keys', 'show'],
      ['keys', 'frobnicate'],
      ['explain'],
    ]) {
      assertSaidSo(await run(...args), 2);
    }
    assertSaidSo(await run('keys', 'create', '--owner', 'acme', '--expires', 'tomorrow-ish', '-c', config), 2);
    assertSaidSo(await run('keys', 'create', '--owner', 'acme', '--allow', '10.1.0.0/8', '-c', config), 2);
  });

  test('78: the configuration is wrong, whatever the command', async () => {
    const file = await configWith('broken-too.yaml', BROKEN);
    for (const args of [['serve'], ['keys', 'list'], ['explain', '--key', 'x', '--method', 'GET', '--path', '/']]) {
      assertSaidSo(await run(...args, '-c', file), 78);
    }
    assertSaidSo(await run('serve', '-c', join(scene.directory, 'not-there.yaml')), 78);
  });

  test('$PORTCULLIS_CONFIG names the configuration where -c does not', async () => {
    const options = { cwd: scene.directory, env: { PORTCULLIS_CONFIG: config } };
    assert.equal((await portcullis(['check'], options)).code, 0);
    assert.equal((await run('check')).code, 78, 'config/portcullis.yaml is not there');
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
  test('create prints the secret once, and nothing else has it', async () => {
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

  test('create ID of a key that the configuration does not declare needs its grants told', async () => {
    const end = await run('keys', 'create', 'undeclared-job', '-c', config);
    assertSaidSo(end, end.code === 1 ? 1 : 2);
  });

  test('create with a role, plan or scope that cannot be is refused, with a suggestion', async () => {
    const end = await run('keys', 'create', '--owner', 'acme', '--role', 'raeder', '-c', config);
    assert.notEqual(end.code, 0);
    assert.match(end.stderr, /reader/);
    assert.notEqual((await run('keys', 'create', '--owner', 'acme', '--scope', 'Orders Read', '-c', config)).code, 0);
  });

  test('list: aligned for people, one object a line with --json; --owner and --state choose', async () => {
    const ids: string[] = [];
    for (const owner of ['list-a', 'list-a', 'list-b']) {
      const end = await run('keys', 'create', '--owner', owner, '--json', '-c', config);
      ids.push((JSON.parse(end.stdout) as { id: string }).id);
    }
    assert.equal((await run('keys', 'disable', ids[0] as string, '-c', config)).code, 0);
    const listed = async (...filters: string[]): Promise<Record<string, unknown>[]> => {
      const end = await run('keys', 'list', ...filters, '--json', '-c', config);
      assert.equal(end.code, 0, end.stderr);
      const lines = end.stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const idsOf = (keys: Record<string, unknown>[]): unknown[] => keys.map(({ id }) => id).toSorted();
    assert.deepEqual(idsOf(await listed('--owner', 'list-a')), ids.slice(0, 2).toSorted());
    assert.deepEqual(idsOf(await listed('--owner', 'list-a', '--state', 'active')), [ids[1]]);
    assert.deepEqual(idsOf(await listed('--owner', 'list-a', '--state', 'disabled')), [ids[0]]);
    assert.deepEqual(await listed('--owner', 'nobody'), []);
    const table = await run('keys', 'list', '--owner', 'list-b', '-c', config);
    assert.match(table.stdout, new RegExp(ids[2] as string));
    assert.match(table.stdout, /ptc_live_…\w{4}/);
    assert.equal((await run('keys', 'list', '--state', 'frobnicated', '-c', config)).code, 2);
  });

  test('every command on one key gives with --json what `keys show` gives', async () => {
    const { id } = JSON.parse((await run('keys', 'create', '--owner', 'acme', '--json', '-c', config)).stdout) as {
      id: string;
    };
    const members = async (...args: string[]): Promise<string[]> => {
      const end = await run('keys', ...args, '--json', '-c', config);
      assert.equal(end.code, 0, `${args.join(' ')}: ${end.stderr}`);
      return Object.keys(JSON.parse(end.stdout) as object).toSorted();
    };
    const shown = await members('show', id);
    for (const args of [
      ['update', id, '--name', 'renamed'],
      ['disable', id],
      ['enable', id],
      ['revoke', id],
    ]) {
      assert.deepEqual(await members(...args), shown, args.join(' '));
    }
  });
});

describe('explain says what would be decided and why, check by check', () => {
  before(async () => {
    assert.equal((await run('keys', 'create', 'job', '-c', config)).code, 0);
    const create = ['keys', 'create', '--owner', 'acme', '--json', '-c', config];
    scopeless = (JSON.parse((await run(...create)).stdout) as { id: string }).id;
  });
  let scopeless: string;

  const explain = async (key: string, method: string, path: string, from: string): Promise<string> => {
    const end = await run('explain', '--key', key, '--method', method, '--path', path, '--from', from, '-c', config);
    assert.equal(end.code, 0, end.stderr);
    return end.stdout;
  };

  test('allowed', async () => {
    const said = await explain('job', 'GET', '/orders/7', '203.0.113.9');
    assert.match(said, /allow/i);
    assert.match(said, /read-orders/);
    assert.match(said, /orders:read/);
  });

  test('denied, by the check that denies', async () => {
    assert.match(await explain('job', 'GET', '/orders/7', '198.51.100.9'), /network_denied/);
    assert.match(
      await explain(scopeless, 'GET', '/orders/7', '203.0.113.9'),
      /scope_missing[\s\S]*orders:read|orders:read[\s\S]*scope_missing/,
    );
    assert.match(await explain('job', 'DELETE', '/orders/7', '203.0.113.9'), /method_not_allowed/);
    assert.match(await explain('job', 'GET', '/nowhere', '203.0.113.9'), /route_not_found/);
    assert.match(await explain('job', 'GET', '/orders/../x', '203.0.113.9'), /ambiguous_request/);
    assert.match(await explain('no-such-key', 'GET', '/orders/7', '203.0.113.9'), /key_invalid|unknown/);
  });

  test('--json: one object', async () => {
    const args = ['--key', 'job', '--method', 'GET', '--path', '/orders/7', '--from', '198.51.100.9'];
    const end = await run('explain', ...args, '--json', '-c', config);
    assert.equal(end.code, 0, end.stderr);
    assert.match(JSON.stringify(JSON.parse(end.stdout)), /network_denied/);
  });
});
