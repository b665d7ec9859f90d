// SPEC section 1: `keys import FILE` reads JSON Lines of keys that users already hold.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type CommandEnd, environment, MAIN } from '../support/acceptance-cli.ts';
import { CommandScene } from '../support/command-scene.ts';

const CANARY = 'canary-of-the-old-system';

describe('keys import', () => {
  let scene: CommandScene;
  before(async () => {
    scene = await CommandScene.open();
  });
  after(() => scene.dir.remove());

  async function importText(text: string | Buffer, ...options: string[]): Promise<CommandEnd> {
    await writeFile(scene.dir.file('keys.jsonl'), text);
    const end = await scene.run('keys', 'import', scene.dir.file('keys.jsonl'), ...options);
    assert.ok(!(end.stdout + end.stderr).includes(CANARY), `a secret is printed: ${end.stdout}${end.stderr}`);
    return end;
  }

  const jsonLines = (...objects: object[]): string => objects.map((object) => `${JSON.stringify(object)}\n`).join('');

  test('every field of a line is taken, and running it again imports nothing', async () => {
    const text = jsonLines(
      {
        id: 'legacy-1',
        owner: 'acme',
        name: 'Old nightly job',
        secret: `${CANARY}-1`,
        roles: ['reader'],
        scopes: ['invoices:*'],
        networks: { allow: ['203.0.113.0/24'], deny: ['203.0.113.7/32'] },
        plan: 'free',
        expires: '2099-12-31',
        meta: { team: 'blue' },
      },
      { owner: 'acme', sha256: 'AB'.repeat(32), plan: null },
    );
    const first = await importText(text);
    assert.deepEqual([first.code, first.stdout, first.stderr], [0, 'Imported 2 keys.\n', '']);
    const { createdAt, updatedAt, secrets, ...shown } = await scene.jsonOne('keys', 'show', 'legacy-1');
    assert.equal(createdAt, updatedAt);
    assert.deepEqual(secrets, [{ state: 'current', hint: '…em-1', createdAt, endsAt: null, pepper: 'current' }]);
    assert.deepEqual(shown, {
      id: 'legacy-1',
      state: 'active',
      owner: 'acme',
      name: 'Old nightly job',
      declared: false,
      roles: ['reader'],
      scopes: ['invoices:*'],
      effectiveScopes: ['invoices:*', 'orders:read'],
      networks: { allow: ['203.0.113.0/24'], deny: ['203.0.113.7/32'] },
      plan: 'free',
      expires: '2100-01-01T00:00:00.000Z',
      meta: { team: 'blue' },
      revision: 1,
      warnings: [],
    });
    const again = await importText(text);
    assert.deepEqual([again.code, again.stdout], [0, 'Imported 0 keys; 2 were there already.\n']);
    const { stdout } = await importText(text, '--json');
    const views = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      views.map(({ imported, owner }) => [imported, owner]),
      [
        [false, 'acme'],
        [false, 'acme'],
      ],
    );
  });

  test('all lines are looked at first: every problem with its line number, nothing imported, exit code 1', async () => {
    const text = [
      `{"id":"good","owner":"acme","secret":"${CANARY}-good"}`,
      `nonsense ${CANARY}`,
      `{"secret":"${CANARY}-3","roless":["reader"],"${CANARY}":1}`,
      `{"owner":7,"roles":"reader","secret":"${CANARY}-4"}`,
      `{"secret":"${CANARY}-5","sha256":"${'0'.repeat(64)}"}`,
      '{"owner":"acme"}',
      '',
      `{"secret":"${CANARY}-8","networks":{"allow":["10/8"]},"expires":"90d"}`,
      `["${CANARY}-9"]`,
      `{"secret":"${CANARY}-10","networks":{"alow":[]}}`,
      `{"secret":"${CANARY}-good"}`,
      `{"sha256":"${CANARY}"}`,
    ].join('\r\n');
    const { code, stdout, stderr } = await importText(text);
    assert.deepEqual([code, stdout], [1, '']);
    const file = scene.dir.file('keys.jsonl');
    const expected = [
      '2: is not JSON; write one object a line',
      '3: the line has a field that is not known; did you mean roles?',
      '3: the line has a field that is not known; it takes id, owner, name, secret, sha256, roles, scopes, networks, plan, expires, meta',
      '4: owner takes a text',
      '4: roles takes a list of texts',
      '5: the line takes either secret or sha256',
      '6: the line takes either secret or sha256',
      '8: expires takes a date like 2027-12-31 or 2027-12-31T12:00:00Z',
      '9: the line takes one object',
      '10: networks has a field that is not known; did you mean allow?',
      '11: its secret stands on line 1 already',
      '12: sha256 takes 64 hexadecimal digits',
    ];
    assert.deepEqual(
      stderr.split('\n').slice(0, -2),
      expected.map((line) => `${file}:${line}`),
    );
    assert.match(stderr, /portcullis: nothing was imported, because \S+ has 12 problems; correct the lines above/);
    assert.equal((await scene.run('keys', 'show', 'good')).code, 1);
  });

  test('text that is not UTF-8, and a line without end, are problems of their line', async () => {
    const { code, stderr } = await importText(
      Buffer.concat([
        Buffer.from('{"secret":"\xff\xfe"}\n', 'latin1'),
        Buffer.alloc(300 * 1024, 'x'),
        Buffer.from('\n{}\n'),
      ]),
    );
    assert.equal(code, 1);
    assert.match(
      stderr,
      /keys\.jsonl:1: is not UTF-8\n\S+:2: the line is longer than 256 KiB\n\S+:3: the line takes either/,
    );
  });

  test('- reads standard input', async () => {
    const stdin = jsonLines({ id: 'piped', secret: `${CANARY}-piped` });
    const { code, stdout, stderr } = await scene.runWith({ stdin }, 'keys', 'import', '-');
    assert.deepEqual([code, stdout, stderr], [0, 'Imported 1 key.\n', '']);
    const wrong = await scene.runWith({ stdin: 'nonsense' }, 'keys', 'import', '-');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^-:1: is not JSON/);
  });

  test('a pipe, which can be read only once, is imported as a file is', async () => {
    const file = scene.dir.file('from-a-pipe.jsonl');
    await writeFile(file, jsonLines({ id: 'from-a-pipe', secret: `${CANARY}-from-a-pipe` }));
    // What `keys import <(gpg --decrypt …)` is to the command.
    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', 'cat "$1" | exec "$0" "$2" keys import /dev/stdin', process.execPath, file, MAIN],
      { env: environment({ PORTCULLIS_CONFIG: scene.configFile }), timeout: 30_000 },
    );
    assert.equal(stdout, 'Imported 1 key.\n');
    assert.equal((await scene.jsonOne('keys', 'show', 'from-a-pipe'))['state'], 'active');
  });

  test('a key that is there with other grants is left as it is, and its line is named', async () => {
    const entry = { id: 'kept', secret: `${CANARY}-kept`, scopes: ['a'] };
    await importText(jsonLines(entry));
    const { code, stdout, stderr } = await importText(jsonLines({ ...entry, scopes: ['*'] }));
    assert.deepEqual([code, stdout], [0, 'Imported 0 keys; 1 was there already.\n']);
    assert.match(
      stderr,
      /:1: key kept is there already with other grants, and was left as it is; portcullis keys update changes it/,
    );
    assert.deepEqual((await scene.jsonOne('keys', 'show', 'kept'))['scopes'], ['a']);
  });

  test('a file that cannot be read: one sentence and exit code 1', async () => {
    for (const [file, says] of [
      [scene.dir.file('absent.jsonl'), /absent\.jsonl does not exist; name the file to be imported, or - for/],
      [scene.dir.path, /is a directory; name a file in it/],
    ] as const) {
      const { code, stdout, stderr } = await scene.run('keys', 'import', file);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, says);
    }
  });
});
