// Promise 10: a bad configuration never replaces a good one. Every mistake that `portcullis check` is tested with is
// put in front of a gateway that runs, and so is what an editor, a full disk or an operator's slip leave behind.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import type { LogLine } from '../support/gateway-process.ts';
import { SmallDisk } from '../support/small-disk.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/config/bad');
/** What the fixtures look up. */
const ENV = { PEPPER: 'p'.repeat(32), SHORT: 'too short', WORD: 'many' };
const NAMES = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length));

let on: FaultScene;
let good: string;
before(async () => {
  on = await FaultScene.open({ gateway: { env: ENV } });
  good = await readFile(on.gateway.configFile, 'utf8');
});
after(() => on.close());

const reloads = (): LogLine[] =>
  on.gateway.log.filter(({ msg }) => /^(?:configuration reloaded|the configuration was refused)/.test(String(msg)));

/** Does something to the file, and gives the line of the refusal. */
async function refused(change: () => Promise<unknown>): Promise<LogLine> {
  const before = reloads().length;
  await change();
  return eventually(
    () => {
      const line = reloads()[before];
      assert.ok(line, 'nothing was logged');
      assert.match(String(line['msg']), /refused/);
      return line;
    },
    { withinMs: 10_000 },
  );
}

/** Puts the good file back, be it the one that is in force already. */
async function restore(): Promise<void> {
  const before = reloads().length;
  await rm(on.gateway.configFile, { recursive: true, force: true });
  await writeFile(`${on.gateway.configFile}.new`, good);
  await rename(`${on.gateway.configFile}.new`, on.gateway.configFile);
  await eventually(() => assert.equal(reloads().at(-1)?.['msg'], 'configuration reloaded'));
  assert.ok(reloads().length > before);
}

test('every known mistake: refused with its line and cure, the one before stays in force', async (t) => {
  const { configFile } = on.gateway;
  const load = on.load();
  const hash = async (): Promise<string> =>
    (await on.gateway.metrics()).samples.find(({ name }) => name === 'portcullis_config_info')?.labels['hash'] ?? '';
  const inForce = await hash();
  // SIGHUP looks at once; the file's own change is noticed some looks later.
  const names = NAMES.filter((_name, at) => at % atScale({ suite: 8, full: 1 }) === 0);
  let problems = 0;
  for (const name of names) {
    const bad = readFileSync(join(FIXTURES, `${name}.yaml`));
    const promised = readFileSync(join(FIXTURES, `${name}.txt`), 'utf8')
      .trimEnd()
      .split('\n');
    const line = await refused(async () => {
      await writeFile(`${configFile}.new`, bad);
      await rename(`${configFile}.new`, configFile);
      on.gateway.signal('SIGHUP');
    });
    const said = (line['problems'] as string[]).map((problem) => problem.replaceAll(configFile, `${name}.yaml`));
    // A log line holds so many and no more.
    const most = Math.min(said.length, promised.length);
    const cut = (text: string): string => text.slice(0, 400);
    assert.deepEqual(said.slice(0, most).map(cut), promised.slice(0, most).map(cut), name);
    problems += said.length;
  }
  assert.equal(await hash(), inForce);
  const metrics = await on.gateway.metrics();
  assert.equal(metrics.sum('portcullis_config_last_reload_successful'), 0);
  await restore();
  const { statuses, strangers, failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.deepEqual([...strangers.keys()], [401]);
  found(t, {
    promise: 10,
    tried: `${names.length} bad configuration files put in front of a running gateway, by rename and SIGHUP, under load`,
    promised: 'none replaces the one in force; the log names file, line, column and cure',
    seen: `${names.length} of ${names.length} refused, ${problems} problems logged as FILE:LINE:COL with their cure; ${countsText(statuses)}, 0 failed; ${await on.assertUnharmed()}`,
  });
});

test('what a full disk, an editor or a slip leaves: half a file, none, a directory, a dead link', async (t) => {
  const { configFile } = on.gateway;
  const { directory } = on.scene;
  const cases: Record<string, () => Promise<unknown>> = {
    'half a file': () => writeFile(configFile, good.slice(0, good.indexOf('routes:') + 12)),
    'an empty file': () => writeFile(configFile, ''),
    'zeros, as after a crash': () => writeFile(configFile, Buffer.alloc(4_096)),
    'a file that is gone': () => rm(configFile),
    'a directory in its place': () => mkdir(configFile),
    'a link to nothing': async () => {
      await rm(configFile, { recursive: true });
      await symlink(join(directory, 'nowhere'), configFile);
    },
    'a link that is swapped to a bad file': async () => {
      await writeFile(join(directory, 'bad.yaml'), good.replace('upstream: app', 'upstream: ap'));
      await symlink(join(directory, 'bad.yaml'), `${configFile}.link`);
      await rename(`${configFile}.link`, configFile);
    },
    'more than a configuration may have': async () => {
      await rm(configFile);
      await writeFile(configFile, `# ${'x'.repeat(5 * 1024 * 1024)}\n${good}`);
    },
  };
  const disk = SmallDisk.mount(join(directory, 'small'), 64 * 1024);
  if (disk instanceof SmallDisk) {
    on.scene.onClose(() => Promise.resolve(disk.unmount()));
    cases['cut off by a full disk'] = async () => {
      const target = join(disk.directory, 'portcullis.yaml');
      // Cut where what is left is no configuration: one that is cut between two sections is whole to any reader.
      const long = good.replace('routes:', `routes:\n# ${'x'.repeat(128 * 1024)}`);
      await writeFile(target, long).catch(() => undefined);
      await symlink(target, `${configFile}.link`);
      await rename(`${configFile}.link`, configFile);
    };
  } else t.diagnostic(disk);
  const seen: string[] = [];
  for (const [name, change] of Object.entries(cases)) {
    const line = await refused(change).catch((error: Error) => assert.fail(`${name}: ${error.message}`));
    assert.match(String(line['msg']), /gateway-1\.yaml/, name);
    assert.equal((await on.ask()).status, 200, name);
    const [problem = ''] = line['problems'] as string[];
    seen.push(`${name}: ${problem.replaceAll(`${directory}/`, '').slice(0, 120)}`);
  }
  await restore();
  found(t, {
    promise: 10,
    tried: `the file of a running gateway is ${Object.keys(cases).join('; ')}`,
    promised: 'the one in force stays; the log names the file and the cure; the next good file is taken',
    seen: `${seen.join(' | ')}; ${await on.assertUnharmed()}`,
  });
});

test('a storm of SIGHUP: each is a reload or one of many, none fails, and the last file is in force', async (t) => {
  const load = on.load();
  const storm = atScale({ suite: 100, full: 1_000 });
  const before = reloads().length;
  for (let at = 0; at < storm; at++) {
    on.gateway.signal('SIGHUP');
    if (at % 10 === 0) await (await fetch(`http://127.0.0.1:${on.gateway.opsPort}/livez`)).text();
  }
  await eventually(() => assert.ok(reloads().length > before));
  await on.gateway.reconfigure({
    ...on.settings,
    routes: { things: { path: '/things/**', upstream: 'app' }, late: { path: '/late', upstream: 'app' } },
  });
  await eventually(async () => assert.equal((await on.ask('/late')).status, 200), { withinMs: 15_000 });
  const { statuses, failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.ok(reloads().every(({ msg }, at) => at < before || msg === 'configuration reloaded'));
  found(t, {
    promise: 3,
    tried: `${storm} SIGHUP at once under load, then a new file`,
    promised: '0 failed requests; the last file is in force',
    seen: `${countsText(statuses)}, 0 failed; in force; ${await on.assertUnharmed()}`,
  });
});
