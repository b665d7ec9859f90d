// SPEC section 1: what the `keys` commands do and print, on a SQLite store.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { rewriteStored } from '../support/acceptance-store-bytes.ts';
import { KEY_PATTERN } from '../support/acceptance-key-text.ts';
import { CommandScene } from '../support/command-scene.ts';

describe('keys', () => {
  let scene: CommandScene;
  before(async () => {
    scene = await CommandScene.open();
  });
  after(() => scene.dir.remove());

  test('create mints a secret and prints it once; show, list, disable, enable and revoke never do', async () => {
    const made = await scene.run('keys', 'create', 'told-once', '--owner', 'acme');
    assert.equal(made.code, 0, made.stderr);
    const secret = KEY_PATTERN.exec(made.stdout)?.[0] ?? '';
    assert.equal(made.stdout.split(secret).length, 2);
    assert.match(made.stdout, /^id +told-once$/m);
    for (const args of [
      ['show', 'told-once'],
      ['list'],
      ['disable', 'told-once'],
      ['enable', 'told-once'],
      ['revoke', 'told-once'],
    ]) {
      const [text, json] = await Promise.all([scene.run('keys', ...args), scene.run('keys', ...args, '--json')]);
      for (const { code, stdout, stderr } of [text, json]) {
        assert.equal(code, 0, stderr);
        assert.ok(!(stdout + stderr).includes(secret.slice(9, 40)), `keys ${args.join(' ')} prints the secret`);
        assert.ok(stdout.includes(`ptc_live_…${secret.slice(-4)}`), stdout);
      }
    }
    const directory = dirname(scene.storeFile);
    for (const name of await readdir(directory)) {
      assert.ok(!(await readFile(join(directory, name))).includes(secret), `${name} has the secret`);
    }
  });

  test('create takes every grant, repeated or several at once, with the ID before or without one', async () => {
    const [all, several, repeated] = await Promise.all([
      scene.jsonOne(
        ...'keys create all-grants --owner acme --name Nightly --role reader writer'.split(' '),
        ...'--scope a --scope b:* --allow 203.0.113.0/24 2001:db8::/32 --deny 203.0.113.7/32'.split(' '),
        ...'--plan free --expires 2099-12-31 --meta team=blue note=x=y'.split(' '),
      ),
      scene.jsonOne('keys', 'create', '--role', 'reader', 'writer'),
      scene.jsonOne('keys', 'create', 'repeated', '--scope', 'a', '--scope', 'b', '--expires', '90d'),
    ]);
    const { secret, createdAt, updatedAt, secrets, ...rest } = all;
    assert.match(String(secret), KEY_PATTERN);
    assert.equal(createdAt, updatedAt);
    assert.deepEqual(secrets, [
      { state: 'current', hint: `ptc_live_…${String(secret).slice(-4)}`, createdAt, endsAt: null, pepper: 'current' },
    ]);
    assert.deepEqual(rest, {
      id: 'all-grants',
      state: 'active',
      owner: 'acme',
      name: 'Nightly',
      declared: false,
      roles: ['reader', 'writer'],
      scopes: ['a', 'b:*'],
      effectiveScopes: ['a', 'b:*', 'orders:read', 'orders:write'],
      networks: { allow: ['203.0.113.0/24', '2001:db8::/32'], deny: ['203.0.113.7/32'] },
      plan: 'free',
      expires: '2100-01-01T00:00:00.000Z',
      meta: { team: 'blue', note: 'x=y' },
      revision: 1,
      warnings: [],
    });
    assert.match(String(several['id']), /^key_[0-9a-z]{16}$/);
    assert.deepEqual(several['roles'], ['reader', 'writer']);
    assert.deepEqual(repeated['scopes'], ['a', 'b']);
    const days = (Date.parse(String(repeated['expires'])) - Date.parse(String(repeated['createdAt']))) / 86_400_000;
    assert.ok(Math.abs(days - 90) < 0.01, `${days} days`);
  });

  test('create ID of a declared key takes its grants from there; giving them, too, is wrong usage', async () => {
    const refused = await scene.run('keys', 'create', 'billing-job', '--role', 'writer');
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /declared in the configuration; say there what it may do, at keys\.billing-job/);
    const made = await scene.jsonOne('keys', 'create', 'billing-job');
    assert.deepEqual([made['declared'], made['owner'], made['effectiveScopes']], [true, 'acme', ['orders:read']]);
    const again = await scene.run('keys', 'create', 'billing-job');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /^portcullis: key billing-job exists already; .*keys rotate billing-job/);
    const changed = await scene.run('keys', 'update', 'billing-job', '--no-plan');
    assert.equal(changed.code, 2, changed.stderr);
  });

  test('list is an aligned table, JSON Lines with --json, filtered by --owner and --state', async () => {
    await scene.json('keys', 'create', 'listed-1', '--owner', 'lister');
    await scene.json('keys', 'create', 'listed-2-longer', '--owner', 'lister', '--plan', 'free');
    await scene.json('keys', 'disable', 'listed-2-longer');
    const [table, lines, disabled, none] = await Promise.all([
      scene.run('keys', 'list', '--owner', 'lister'),
      scene.json('keys', 'list', '--owner', 'lister'),
      scene.json('keys', 'list', '--owner', 'lister', '--state', 'disabled'),
      scene.run('keys', 'list', '--owner', 'nobody'),
    ]);
    const rows = table.stdout.trimEnd().split('\n');
    assert.match(rows[0] ?? '', /^ID {15}STATE {5}OWNER {3}NAME  SECRET {10}PLAN  EXPIRES  CREATED$/);
    assert.match(rows[1] ?? '', /^listed-1 {9}active {4}lister  -     ptc_live_…\w{4}  -     never    \d{4}-/);
    assert.match(rows[2] ?? '', /^listed-2-longer  disabled  lister  -     ptc_live_…\w{4}  free  never    \d{4}-/);
    assert.deepEqual(lines.map(({ id }) => String(id)).sort(), ['listed-1', 'listed-2-longer']);
    assert.deepEqual(
      disabled.map(({ id }) => id),
      ['listed-2-longer'],
    );
    assert.deepEqual([none.code, none.stdout], [0, '']);
  });

  test('update replaces what it names, clears with --no-…, and leaves the rest', async () => {
    await scene.json(
      'keys',
      'create',
      'changing',
      '--owner',
      'acme',
      '--role',
      'reader',
      '--plan',
      'free',
      '--expires',
      '9d',
    );
    const changed = await scene.jsonOne('keys', 'update', 'changing', '--role', 'writer', '--scope', 'a', 'b');
    assert.deepEqual(
      [changed['roles'], changed['scopes'], changed['plan'], changed['owner']],
      [['writer'], ['a', 'b'], 'free', 'acme'],
    );
    const cleared = await scene.jsonOne(
      ...'keys update changing --no-role --no-scope --no-plan --no-owner --expires never'.split(' '),
    );
    const { roles, scopes, plan, owner, expires } = cleared;
    assert.deepEqual([roles, scopes, plan, owner, expires], [[], [], null, null, null]);
  });

  test('rotate prints the new secret once, and says when the old one ends; --grace is 24h where it is not given', async () => {
    const made = await scene.jsonOne('keys', 'create', 'turned');
    const { stdout, stderr, code } = await scene.run('keys', 'rotate', 'turned');
    assert.equal(code, 0, stderr);
    const secret = KEY_PATTERN.exec(stdout)?.[0] ?? '';
    assert.notEqual(secret, made['secret']);
    assert.equal(stdout.split(secret).length, 2);
    const endsAt = Date.parse(/^Key turned is rotated; the secret before works until (\S+Z)\./.exec(stdout)?.[1] ?? '');
    assert.ok(Math.abs(endsAt - Date.now() - 86_400_000) < 60_000, stdout);
    const again = await scene.run('keys', 'rotate', 'turned', '--grace', '0', '--json');
    assert.match(again.stderr, /note: a secret still in the grace of an earlier rotation of turned was ended/);
    const rotated = JSON.parse(again.stdout) as Record<string, unknown>;
    assert.equal(rotated['id'], 'turned');
    assert.match(String(rotated['secret']), KEY_PATTERN);
    assert.equal((rotated['secrets'] as unknown[]).length, 1);
  });

  test('revoke is final: enable, rotate, update and create with its id exit with 1 and say so', async () => {
    await scene.json('keys', 'create', 'ended');
    assert.equal((await scene.jsonOne('keys', 'revoke', 'ended'))['state'], 'revoked');
    const attempts = [
      ['enable', 'ended'],
      ['rotate', 'ended'],
      ['update', 'ended', '--plan', 'free'],
      ['create', 'ended'],
    ];
    const ends = await Promise.all(attempts.map((args) => scene.run('keys', ...args)));
    for (const { code, stdout, stderr } of ends) {
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^portcullis: key ended .*final.*\n$/);
    }
  });

  test('a key that does not exist: one clear sentence and exit code 1', async () => {
    const commands = [['show'], ['update', '--plan', 'free'], ['rotate'], ['disable'], ['enable'], ['revoke']];
    const ends = await Promise.all(commands.map(([name = '', ...more]) => scene.run('keys', name, 'nobody', ...more)));
    for (const { code, stdout, stderr } of ends) {
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr, 'portcullis: there is no key nobody; portcullis keys list shows the ids\n');
    }
  });

  test('a record that was changed without the pepper is shown as tampered and cannot be changed', async () => {
    await scene.json('keys', 'create', 'forged', '--scope', 'things:zero');
    const file = scene.storeFile;
    assert.ok(
      (await rewriteStored({ kind: 'sqlite', url: '', file, close: async () => {} }, 'things:zero', 'things:more')) > 0,
    );
    const [shown, listed, changed] = await Promise.all([
      scene.run('keys', 'show', 'forged'),
      scene.jsonOne('keys', 'list', '--state', 'tampered'),
      scene.run('keys', 'update', 'forged', '--plan', 'free'),
    ]);
    assert.match(shown.stdout, /^state +tampered$/m);
    assert.match(shown.stdout, /^may do +nothing/m);
    assert.match(shown.stderr, /^portcullis: warning: the record of key forged was not made with this pepper/);
    assert.deepEqual([listed['id'], listed['effectiveScopes']], ['forged', []]);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /was not made with this pepper/);
  });

  test('what a record says cannot move the cursor of a terminal', async () => {
    const refused = await scene.run('keys', 'create', '--name', 'a\u001b[2Jb');
    assert.deepEqual([refused.code, refused.stderr.includes('\u001b')], [2, false]);
    await scene.json('keys', 'create', 'turned-round', '--name', 'right\u202Eleft');
    const { stdout } = await scene.run('keys', 'show', 'turned-round');
    assert.match(stdout, /^name +right\\u\{202e\}left$/m);
  });
});
