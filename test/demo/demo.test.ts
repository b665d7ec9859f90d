// The demo, as a person meets it: started, its lines pasted one by one into bash, ended with Ctrl-C.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { own } from '../support/own-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DEFAULT_PORTS = [8080, 9464, 3000];

interface Stop {
  readonly shows: string;
  readonly title: string;
  readonly line: string;
}

describe('npm run demo', { timeout: 60_000 }, () => {
  const holders = DEFAULT_PORTS.map(() => createServer());
  let demo: ChildProcess;
  let printed = '';
  let ended: Promise<number | null>;
  let stops: readonly Stop[];
  const shown = new Map<string, string>();
  const shownOf = (title: string): string => [...shown].find(([each]) => each.startsWith(title))![1];

  before(async () => {
    // With the default ports taken, by this test or by anybody, the demo has to find others.
    await Promise.all(holders.map((holder, at) => hold(holder, DEFAULT_PORTS[at]!)));
    demo = own(spawn(process.execPath, ['src/demo/main.ts'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }));
    ended = new Promise((resolve) => demo.once('close', resolve));
    await new Promise<void>((resolve, reject) => {
      const read = (text: string): void => {
        printed += text;
        if (printed.includes('Ctrl-C')) resolve();
      };
      demo.stdout!.setEncoding('utf8').on('data', read);
      demo.stderr!.setEncoding('utf8').on('data', read);
      demo.once('close', () => reject(new Error(`the demo ended: ${printed}`)));
    });
    stops = [...printed.matchAll(/^ {2}(\w{2,3}) +(\S.*)\n {7}(\S.*)$/gm)].map(([, shows, title, line]) => ({
      shows: shows!,
      title: title!,
      line: line!,
    }));
  });

  after(() => {
    for (const holder of holders) holder.close();
    demo.kill('SIGKILL');
  });

  test('prints lines for 200, 401, 403 by scope, 403 by network, 429, a WebSocket and an event stream', () => {
    const statuses = stops.map(({ shows }) => shows);
    for (const status of ['200', '401', '403', '429', '101']) assert.ok(statuses.includes(status), printed);
    assert.equal(stops.filter(({ shows, title }) => shows === '403' && /^(?:scope|network):/.test(title)).length, 2);
    assert.ok(stops.some(({ line }) => line.includes('/orders/events')));
  });

  test('every line works when pasted, and shows the status that it claims', async () => {
    const statuses = stops.filter(({ shows }) => /^\d{3}$/.test(shows));
    assert.equal(statuses.length, 10);
    await Promise.all(
      statuses.map(async ({ shows, title, line }) => {
        const output = await pasted(line);
        shown.set(title, output);
        const codes = [...output.matchAll(/^(?:HTTP\/1\.1 )?(\d{3})\b/gm)].map(([, code]) => code);
        assert.equal(codes.at(-1), shows, `${title}\n${line}\n${output}`);
      }),
    );
  });

  test('the 403 of the scope and the 403 of the network say which they are', () => {
    const codeOf = (word: string): unknown =>
      (JSON.parse(shownOf(word).split('\r\n\r\n')[1]!) as { code: string }).code;
    assert.equal(codeOf('scope:'), 'scope_missing');
    assert.equal(codeOf('network:'), 'network_denied');
  });

  test('the event stream and the WebSocket bring what the upstream sent', () => {
    assert.equal(shownOf('an event stream').match(/^event: order$/gm)?.length, 5);
    assert.match(shownOf('a WebSocket'), /hello from the orders API/);
  });

  test('its commands explain, disable and enable the key, and count what was decided', async () => {
    const lineOf = (shows: string): string => stops.find((stop) => stop.shows === shows)!.line;
    assert.match(await pasted(lineOf('why')), /orders:write/);
    const first = stops[0]!.line;
    await pasted(lineOf('off'));
    assert.match(await untilMatches(first, /^HTTP\/1\.1 401/), /key_invalid/);
    await pasted(lineOf('on'));
    await untilMatches(first, /^HTTP\/1\.1 200/);
    assert.match(await pasted(lineOf('sum')), /^portcullis_decisions_total\{.*scope_missing.*\} \d+$/m);
  });

  test('its log is where it says', async () => {
    const file = / log +(\S+)/.exec(printed)![1]!;
    assert.match(await readFile(join(ROOT, file), 'utf8'), /"reason":"scope_missing"/);
  });

  test('Ctrl-C ends it with exit code 0, and leaves no process and no data behind', async () => {
    const children = await childrenOf(demo.pid!);
    assert.equal(children.length, 1, 'the gateway');
    const data = / log +(\S+)\//.exec(printed)![1]!;
    assert.ok(existsSync(join(ROOT, data)));
    demo.kill('SIGINT');
    demo.kill('SIGINT');
    assert.equal(await ended, 0, printed);
    for (const child of children) assert.ok(!existsSync(`/proc/${child}`));
    assert.ok(!existsSync(join(ROOT, data)));
  });
});

/** What bash prints for a line; `npx portcullis` is the command from the sources, which need no build. */
function pasted(line: string): Promise<string> {
  const bin = join(ROOT, 'node_modules', '.bin');
  const typed = line.replace('npx portcullis', 'node src/main.ts');
  return new Promise((resolve) => {
    execFile(
      'bash',
      ['-c', typed],
      { cwd: ROOT, timeout: 20_000, env: { ...process.env, PATH: [bin, process.env['PATH']].join(delimiter) } },
      (_, stdout, stderr) => resolve(stdout || stderr),
    );
  });
}

/** Pastes a line until it prints the pattern; a change reaches the gateway within 1 s. */
async function untilMatches(line: string, pattern: RegExp): Promise<string> {
  const until = performance.now() + 3_000;
  for (;;) {
    const output = await pasted(line);
    if (pattern.test(output)) return output;
    assert.ok(performance.now() < until, output);
  }
}

function hold(holder: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve) => {
    holder.once('error', () => resolve());
    holder.listen(port, '127.0.0.1', resolve);
  });
}

/** Processes that this one started, from /proc. */
async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
