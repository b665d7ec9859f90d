// SPEC section 1: every command as a process, as it is run at a terminal and in scripts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { environment, MAIN, portcullis } from '../support/acceptance-cli.ts';
import { KEY_PATTERN } from '../support/acceptance-key-text.ts';
import { CommandScene } from '../support/command-scene.ts';

describe('portcullis as a process', () => {
  let scene: CommandScene;
  const secrets: string[] = [];
  before(async () => {
    scene = await CommandScene.open();
    await writeFile(
      scene.dir.file('keys.jsonl'),
      '{"id":"imported","owner":"acme","secret":"a key of the old system"}\n',
    );
  });
  after(() => scene.dir.remove());

  /** A command with `--json` that succeeds in silence; only minting may print a secret. */
  async function ok(args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await scene.spawn(...args, '--json');
    assert.deepEqual([code, stderr], [0, ''], args.join(' '));
    const answer = JSON.parse(stdout) as Record<string, unknown>;
    const isMinting = args[1] === 'create' || args[1] === 'rotate';
    assert.equal(typeof answer['secret'], isMinting ? 'string' : 'undefined', args.join(' '));
    if (isMinting) secrets.push(answer['secret'] as string);
    else assert.doesNotMatch(stdout, KEY_PATTERN);
    return answer;
  }

  test('a life of a key: every command works with --json, exits with 0 and keeps standard error empty', async () => {
    assert.equal((await ok(['check']))['valid'], true);
    const { id } = await ok(['keys', 'create', 'nightly', '--owner', 'acme', '--role', 'reader']);
    assert.equal(id, 'nightly');
    assert.deepEqual((await ok(['keys', 'update', 'nightly', '--scope', 'a', 'b']))['scopes'], ['a', 'b']);
    assert.equal((await ok(['keys', 'rotate', 'nightly', '--grace', '1h']))['revision'], 3);
    const explained = await ok(['explain', '--key', 'nightly', '--path', '/orders/7', '--from', '203.0.113.9']);
    assert.deepEqual([explained['outcome'], explained['route']], ['allowed', 'orders']);
    const states = [];
    for (const name of ['disable', 'enable', 'revoke', 'show']) {
      states.push((await ok(['keys', name, 'nightly']))['state']);
    }
    assert.deepEqual(states, ['disabled', 'active', 'revoked', 'revoked']);
    assert.equal((await ok(['keys', 'import', 'keys.jsonl']))['id'], 'imported');
    assert.equal((await ok(['keys', 'list', '--state', 'revoked']))['id'], 'nightly');
    assert.ok('properties' in (await ok(['schema'])));
  });

  test('concurrent commands lose no update', async () => {
    await scene.run('keys', 'create', 'shared');
    const updates = [
      ['--owner', 'acme'],
      ['--plan', 'free'],
      ['--meta', 'team=blue'],
    ].map((options) => scene.spawn('keys', 'update', 'shared', ...options));
    for (const { code, stderr } of await Promise.all(updates)) assert.equal(code, 0, stderr);
    const { owner, plan, meta, revision } = await scene.jsonOne('keys', 'show', 'shared');
    assert.deepEqual([owner, plan, meta, revision], ['acme', 'free', { team: 'blue' }, 4]);
  });

  test('errors go to standard error, one clear sentence, no stack trace: exit codes 1, 2 and 78', async () => {
    const wrong = await scene.variant('wrong.yaml', { routes: { a: { path: '/a', upstrem: 'orders' } } });
    const [failed, misused, misconfigured] = await Promise.all([
      scene.spawn('keys', 'show', 'nobody'),
      scene.spawn('keys', 'lst'),
      scene.spawn('keys', 'list', '-c', wrong),
    ]);
    assert.deepEqual([failed.code, failed.stdout], [1, '']);
    assert.equal(failed.stderr, 'portcullis: there is no key nobody; portcullis keys list shows the ids\n');
    assert.deepEqual([misused.code, misused.stdout], [2, '']);
    assert.equal(
      misused.stderr,
      "portcullis: unknown command 'lst' (Did you mean list?); see portcullis keys --help\n",
    );
    assert.deepEqual([misconfigured.code, misconfigured.stdout], [78, '']);
    assert.match(misconfigured.stderr, /^\S+wrong\.yaml:\d+:\d+ routes\.a\S*: .*did you mean upstream\? .*\n$/);
  });

  test('where no configuration is named and none is at the default path, the cure is said: exit code 78', async () => {
    const { code, stdout, stderr } = await portcullis(['keys', 'list'], { cwd: scene.dir.path, withinMs: 30_000 });
    assert.deepEqual([code, stdout], [78, '']);
    assert.match(stderr, /^portcullis: there is no config\/portcullis\.yaml in this directory; .*--config FILE.*\n$/);
  });

  test('a reader that goes away early is no error; a full disk is one', async () => {
    const read = spawn(process.execPath, [MAIN, 'keys', 'list', '--json'], {
      env: environment({ PORTCULLIS_CONFIG: scene.configFile }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    read.stdout.destroy();
    let said = '';
    read.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    assert.deepEqual([await once(read, 'close'), said], [[0, null], '']);

    await using full = await open('/dev/full', 'w');
    const written = spawn(process.execPath, [MAIN, '--config', scene.configFile, 'keys', 'list'], {
      env: environment(),
      stdio: ['ignore', full.fd, 'pipe'],
    });
    said = '';
    written.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    assert.deepEqual(await once(written, 'close'), [1, null]);
    assert.match(said, /^portcullis: the output could not be written \(ENOSPC/);
  });

  test('a new secret that could not be printed is said to be there, with what replaces it: exit code 1', async () => {
    await using full = await open('/dev/full', 'w');
    const broken: Readonly<Record<string, number | 'pipe'>> = { 'a full disk': full.fd, 'no reader': 'pipe' };
    for (const [what, stdout] of Object.entries(broken))
      for (const words of [
        ['create', 'unseen'],
        ['rotate', 'unseen', '--json'],
      ]) {
        if (words[0] === 'create' && stdout === 'pipe') continue;
        const child = spawn(process.execPath, [MAIN, '--config', scene.configFile, 'keys', ...words], {
          env: environment(),
          stdio: ['ignore', stdout, 'pipe'],
        });
        child.stdout?.destroy();
        let said = '';
        child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
        assert.deepEqual(await once(child, 'close'), [1, null], what);
        const cure =
          words[0] === 'create'
            ? /; replace it with portcullis keys rotate unseen --grace 0\n$/
            : /; the secret before works until \S+Z, or until portcullis keys rotate unseen makes another: .*\n$/;
        assert.match(said, /^portcullis: key unseen has a new secret that nobody has seen/, what);
        assert.match(said, cure, what);
      }
  });

  test('a change that was made is said to be where its output could not be written: exit code 1', async () => {
    await scene.run('keys', 'create', 'changed');
    await writeFile(scene.dir.file('some.jsonl'), '{"secret":"a-key-of-the-old-system"}\n');
    const imported = /^portcullis: the output could not be written, but /;
    for (const [words, says] of [
      [['disable', 'changed'], /^portcullis: key changed is changed as it was asked for, but .*keys show changed/],
      [['update', 'changed', '--name', 'x', '--json'], /^portcullis: key changed is changed as it was asked for, but /],
      [['import', scene.dir.file('some.jsonl')], imported],
      [['import', scene.dir.file('some.jsonl'), '--json'], imported],
    ] as const) {
      await using full = await open('/dev/full', 'w');
      const child = spawn(process.execPath, [MAIN, '--config', scene.configFile, 'keys', ...words], {
        env: environment(),
        stdio: ['ignore', full.fd, 'pipe'],
      });
      let said = '';
      child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
      assert.deepEqual(await once(child, 'close'), [1, null], said);
      assert.match(said, says);
    }
    const { state, name } = await scene.jsonOne('keys', 'show', 'changed');
    assert.deepEqual([state, name], ['disabled', 'x']);
  });

  test('an older Node is told what is needed, before anything is loaded', async () => {
    const pretend = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.11.0"}})';
    const child = spawn(process.execPath, ['--import', pretend, MAIN, 'check'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(said, /^portcullis: this is Node 20\.11\.0, and Portcullis needs 26 or newer; .*\n$/);
  });
});
