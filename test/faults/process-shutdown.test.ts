// SIGTERM under load with WebSockets and event streams open, a second SIGTERM, SIGTERM while it starts and while it
// reloads: SPEC section 6, each with its exit code, and within 30 s.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { environment, MAIN } from '../support/acceptance-cli.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import type { GatewayEnd } from '../support/gateway-process.ts';
import { OpenEnds } from '../support/open-ends.ts';
import { own } from '../support/own-process.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { answerStreaming } from '../support/streaming-upstream.ts';

const OPEN = 4;
const TIMEOUT_MS = 2_000;
const EXIT_WITHIN_MS = 30_000;
const THINGS = { things: { path: '/things/**', upstream: 'app', upgrade: ['websocket'] } };

/** A gateway with streams and WebSockets open. */
async function withOpenEnds(work: (on: FaultScene, ends: OpenEnds) => Promise<void>): Promise<void> {
  const on = await FaultScene.open({
    answer: answerStreaming,
    own: () => ({ shutdown: { timeout: `${TIMEOUT_MS}ms` }, routes: THINGS }),
  });
  try {
    const ends = await OpenEnds.open(on.gateway.proxyPort, OPEN);
    await ends.assertAlive();
    try {
      await work(on, ends);
    } finally {
      ends.close();
    }
  } finally {
    await on.close();
  }
}

const exit = (on: FaultScene): Promise<GatewayEnd> => inTime(on.gateway.exited, 'the exit', EXIT_WITHIN_MS);

describe('SIGTERM', { concurrency: true }, () => {
  test('SIGTERM under load with WebSockets and streams open: no answer is lost, 1001 at shutdown.timeout, exit 1', async (t) => {
    await withOpenEnds(async (on, ends) => {
      const load = on.load();
      await eventually(() => assert.ok(load.answered > 50), { withinMs: 15_000 });
      const stoppedAt = performance.now();
      on.gateway.signal('SIGTERM');
      await on.gateway.logLine(({ msg }) => msg === 'draining');
      assert.deepEqual(await exit(on), { code: 1, signal: null });
      const tookMs = performance.now() - stoppedAt;
      await eventually(() => assert.equal(ends.codes.length + ends.streamsEnded, OPEN * 2));
      assert.deepEqual(
        ends.codes,
        Array.from({ length: OPEN }, () => 1001),
      );
      const { statuses, failures } = await load.stop();
      assert.deepEqual([...statuses.keys()], [200]);
      // Behind the end of the listener there is nobody to connect to; no request that was taken is lost.
      assert.deepEqual(
        failures.filter((reason) => !/ECONNREFUSED/.test(reason)),
        [],
      );
      assert.equal(on.unauthorised, 0);
      found(t, {
        promise: 3,
        tried: `SIGTERM under load with ${OPEN} WebSockets and ${OPEN} event streams open, shutdown.timeout ${TIMEOUT_MS} ms`,
        promised:
          'requests under way are answered; the rest is cut at shutdown.timeout, WebSockets with 1001; exit 1, within 30 s',
        seen: `${countsText(statuses)}, 0 lost; ${ends.codes.length} WebSockets closed with 1001, ${ends.streamsEnded} streams ended; exit 1 after ${(tookMs / 1000).toFixed(1)} s`,
      });
    });
  });

  test('a second SIGTERM ends it at once, exit 1', async (t) => {
    await withOpenEnds(async (on) => {
      on.gateway.signal('SIGTERM');
      await on.gateway.logLine(({ msg }) => msg === 'draining');
      // One that comes with the first, as npm passes it on, is the same.
      await pause(400);
      const secondAt = performance.now();
      on.gateway.signal('SIGTERM');
      assert.deepEqual(await exit(on), { code: 1, signal: null });
      found(t, {
        promise: 3,
        tried: 'a second SIGTERM while streams are open',
        promised: 'exit 1 at once',
        seen: `exit 1 after ${Math.round(performance.now() - secondAt)} ms`,
      });
    });
  });

  test('SIGTERM while it reloads: it drains all the same, exit 0', async (t) => {
    const on = await FaultScene.open();
    try {
      await on.gateway.reconfigure({ ...on.settings, routes: { ...THINGS, more: { path: '/more', upstream: 'app' } } });
      for (let at = 0; at < 5; at++) on.gateway.signal('SIGHUP');
      on.gateway.signal('SIGTERM');
      for (let at = 0; at < 5; at++) on.gateway.signal('SIGHUP');
      assert.deepEqual(await exit(on), { code: 0, signal: null });
      assert.deepEqual(on.stray, []);
      found(t, {
        promise: 3,
        tried: 'SIGTERM between SIGHUPs, a changed file in front of it',
        promised: 'it drains; exit 0',
        seen: 'exit 0, nothing on stderr',
      });
    } finally {
      await on.close();
    }
  });

  test('SIGTERM at any moment of its start: it ends, with no trace and nothing half made', async (t) => {
    const on = await FaultScene.open();
    try {
      await on.gateway.stop();
      const { below, seed } = seededNumbers();
      const starts = atScale({ suite: 6, full: 60 });
      const ends = new Map<string, number>();
      for (let at = 0; at < starts; at++) {
        const child = own(
          spawn(process.execPath, [MAIN, 'serve', '-c', on.gateway.configFile], {
            cwd: on.scene.directory,
            env: environment(),
            stdio: ['ignore', 'ignore', 'pipe'],
          }),
        );
        let stderr = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
        const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
        await pause(below(800));
        child.kill('SIGTERM');
        const [code, signal] = await inTime(ended, 'the exit', EXIT_WITHIN_MS);
        assert.ok(code === 0 || signal === 'SIGTERM', `${code} ${signal}`);
        assert.equal(stderr, '');
        const how = signal ?? `exit ${code}`;
        ends.set(how, (ends.get(how) ?? 0) + 1);
      }
      const { proxyPort, opsPort, configFile } = on.gateway;
      await on.scene.gateway(on.settings, { existing: { file: configFile, proxyPort, opsPort } });
      assert.equal((await on.ask()).status, 200);
      found(t, {
        promise: 3,
        tried: `SIGTERM at ${starts} moments within the first 0.8 s of a start (${seed})`,
        promised: 'it ends at once, or drains and exits 0; nothing on stderr; the next start serves',
        seen: [...ends].map(([how, count]) => `${how}: ${count}`).join(', '),
      });
    } finally {
      await on.close();
    }
  });
});
