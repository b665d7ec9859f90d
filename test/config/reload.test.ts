// Reload: on every change of the file, whole and in turn; a bad file is told with its line.
import assert from 'node:assert/strict';
import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadConfig, type LoadedConfig, readConfigFile } from '../../src/config/load.ts';
import { ConfigFault } from '../../src/config/problem.ts';
import { type ConfigWatch, restartFields, watchConfig } from '../../src/config/reload.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const env = { PEPPER: 'p'.repeat(32) };
const EVERY_MS = 10;

const textOf = (level: string, more = ''): string =>
  `version: 1\nlog: { level: ${level} }\ncredentials: { pepper: env:PEPPER }\n${more}`;

describe('reload', () => {
  let directory: TempDir;
  let file: string;
  let told: (string | ConfigFault)[];
  let watch: ConfigWatch | undefined;

  beforeEach(async () => {
    directory = await makeTempDir();
    file = directory.file('portcullis.yaml');
    told = [];
  });
  afterEach(async () => {
    await watch?.stop();
    await directory.remove();
  });

  function onChange(result: LoadedConfig | ConfigFault): void {
    told.push(result instanceof ConfigFault ? result : result.config.log.level);
  }

  /** Puts another file in its place, whole. */
  async function save(text: string): Promise<void> {
    await writeFile(directory.file('next.yaml'), text);
    await rename(directory.file('next.yaml'), file);
  }

  async function start(): Promise<void> {
    const loaded = await loadConfig(file, env);
    watch = watchConfig({ loaded, env, onChange, everyMs: EVERY_MS });
  }

  const isTold = (count: number): Promise<void> =>
    eventually(() => assert.ok(told.length >= count, `told ${told.length} of ${count} times`), { withinMs: 20_000 });

  test('a saved file is loaded, written in place or replaced by another', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await save(textOf('warn'));
    await isTold(1);
    assert.deepEqual(told, ['warn']);
    await writeFile(file, textOf('error'));
    await eventually(() => assert.equal(told.at(-1), 'error'), { withinMs: 20_000 });
  });

  test('a symlink swap is noticed, as Kubernetes does it', async () => {
    for (const [name, level] of [
      ['one', 'info'],
      ['two', 'debug'],
    ] as const) {
      await mkdir(directory.file(name));
      await writeFile(directory.file(`${name}/portcullis.yaml`), textOf(level));
    }
    await symlink('one', directory.file('data'));
    await symlink('data/portcullis.yaml', file);
    await start();
    await symlink('two', directory.file('data-next'));
    await rename(directory.file('data-next'), directory.file('data'));
    await isTold(1);
    assert.deepEqual(told, ['debug']);
  });

  test('a bad file is told with its line, and the good one after it is loaded', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await save(textOf('loud'));
    await isTold(1);
    const [fault] = told;
    assert.ok(fault instanceof ConfigFault);
    assert.deepEqual(
      fault.problems.map(({ file: name, line, column, path }) => [name, line, column, path]),
      [[file, 2, 15, 'log.level']],
    );
    await save(textOf('info'));
    await isTold(2);
    assert.equal(told[1], 'info');
  });

  test('a file that cannot be made sense of for whatever reason is refused, and ends nothing', async () => {
    await writeFile(file, textOf('info'));
    const loaded = await loadConfig(file, env);
    const broken = Object.defineProperty({ ...env }, 'BROKEN', {
      get: () => {
        throw new Error('nobody has thought of this');
      },
    });
    watch = watchConfig({ loaded, env: broken, onChange, everyMs: EVERY_MS });
    await save(textOf('info', 'roles: { reader: ["${BROKEN}"] }\n'));
    await isTold(1);
    assert.match(
      String(told[0]),
      /portcullis\.yaml:1:1 \(file\): could not be made sense of \(nobody has thought of this\); /,
    );
    await save(textOf('warn'));
    await isTold(2);
    assert.equal(told[1], 'warn');
  });

  test('while a large file is read the process goes on, and its first problems are told', async () => {
    await writeFile(file, textOf('info'));
    await start();
    const keys = (field: string): string =>
      `keys:\n${Array.from({ length: 20_000 }, (_, at) => `  k${at}: { ${field}: o }\n`).join('')}`;
    const large = textOf('warn', keys('owner'));
    const beganAt = performance.now();
    await readConfigFile({ ok: true, content: Buffer.from(large) }, file, env);
    const readingMs = performance.now() - beganAt;

    let turnedAt = performance.now();
    let longestMs = 0;
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - turnedAt);
      turnedAt = performance.now();
    }, 1);
    await save(large);
    await isTold(1);
    clearInterval(timer);
    assert.equal(told[0], 'warn');
    assert.ok(longestMs < readingMs / 2, `stood still for ${longestMs} ms, and to read it takes ${readingMs} ms`);

    await save(textOf('warn', keys('ownr')));
    await isTold(2);
    assert.match(String(told[1]), /portcullis\.yaml:5:9 keys\.k0\.ownr: is not a field here; did you mean owner\?/);
  });

  test('a watch that is stopped while a large file is read tells nothing more', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await writeFile(file, textOf('warn', `keys:\n${'  k: { owner: o }\n'.repeat(20_000)}`));
    const reload = watch?.reloadNow();
    // Wherever in it that is.
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    await watch?.stop();
    await reload;
    assert.deepEqual(told, []);
  });

  test('a file that is gone is told once, and loaded when it is back', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await unlink(file);
    await isTold(1);
    assert.match(String(told[0]), /does not exist/);
    await save(textOf('warn'));
    await isTold(2);
    assert.equal(told[1], 'warn');
  });

  test('a file of the same content does not reload, and SIGHUP does', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await save(textOf('warn'));
    await isTold(1);
    await save(textOf('warn'));
    await watch?.reloadNow();
    assert.deepEqual(told, ['warn', 'warn'], 'told by reloadNow alone');
    await save(textOf('error'));
    await isTold(3);
    assert.deepEqual(told, ['warn', 'warn', 'error']);
  });

  test('a change between loading and watching is not lost', async () => {
    await writeFile(file, textOf('info'));
    const loaded = await loadConfig(file, env);
    await save(textOf('warn'));
    watch = watchConfig({ loaded, env, onChange, everyMs: EVERY_MS });
    await isTold(1);
    assert.deepEqual(told, ['warn']);
  });

  test('reloads run one after the other', async () => {
    await writeFile(file, textOf('info'));
    let underWay = 0;
    let most = 0;
    const loaded = await loadConfig(file, env);
    const busy = watchConfig({
      loaded,
      env,
      everyMs: 1,
      onChange: async (result) => {
        most = Math.max(most, ++underWay);
        await new Promise(setImmediate);
        underWay--;
        onChange(result);
      },
    });
    watch = busy;
    await Promise.all(Array.from({ length: 5 }, () => busy.reloadNow()));
    assert.equal(told.length, 5);
    assert.equal(most, 1);
  });

  test('after stop nothing is told', async () => {
    await writeFile(file, textOf('info'));
    await start();
    await watch?.stop();
    await writeFile(file, textOf('warn'));
    await watch?.reloadNow();
    assert.deepEqual(told, []);
  });
});

test('listen, workers and store are named as what needs a restart', async () => {
  await using directory = await makeTempDir();
  const load = async (more: string): Promise<LoadedConfig['config']> => {
    await writeFile(directory.file('portcullis.yaml'), textOf('info', more));
    return (await loadConfig(directory.file('portcullis.yaml'), env)).config;
  };
  const old = await load('');
  const next = await load(
    'listen: { proxy: 127.0.0.1:0 }\nstore: { timeout: 1s, prefix: other }\nguard: { failures: 1 }\n',
  );
  assert.deepEqual(restartFields(old, next), ['listen.proxy', 'store.prefix', 'store.timeout']);
  const rotated = { ...old, credentials: { ...old.credentials, pepper: 'env:NEW', previousPeppers: ['env:PEPPER'] } };
  assert.deepEqual(restartFields(old, rotated), ['credentials.pepper', 'credentials.previousPeppers']);
  assert.deepEqual(restartFields(old, old), []);
});
