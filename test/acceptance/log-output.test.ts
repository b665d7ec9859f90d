// The log's reader may be slow, stop or go away: requests are answered all the same, and every line arrives
// whole or is counted as dropped.
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Connection } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { Fifo } from '../support/fifo.ts';
import type { GatewayProcess, LogLine } from '../support/gateway-process.ts';

const CONNECTIONS = 8;
/** So long that a few thousand lines are more than may wait. */
const REQUEST = { target: `/none/${'p'.repeat(490)}`, headers: { 'User-Agent': 'u'.repeat(500) } };

describe('the log of a gateway', () => {
  let scene: Scene;

  before(async () => {
    scene = await Scene.open('sqlite');
  });
  after(() => scene.close());

  async function start(stdout: number): Promise<GatewayProcess> {
    const app = await scene.upstream();
    const routes = { things: { path: '/things/**', upstream: 'app' } };
    return scene.gateway({ upstreams: { app: { targets: [app.url] } }, routes }, { stdout });
  }

  const dropped = async (gateway: GatewayProcess): Promise<number> =>
    (await gateway.metrics()).sum('portcullis_log_dropped_total');

  test('a reader that does not read never keeps a request from its answer; what it missed is counted, what waits comes whole', async () => {
    const fifo = await Fifo.open(scene.directory);
    scene.onClose(() => Promise.resolve(fifo.close()));
    const gateway = await start(fifo.writer);
    fifo.closeWriter();
    let requests = 0;
    while ((await dropped(gateway)) === 0) {
      assert.ok(requests < 40_000, 'the bound on waiting lines is never reached');
      requests += await answered(gateway, 1_000);
    }
    requests += await answered(gateway, 500);
    const missed = await dropped(gateway);
    assert.ok(missed >= 400, 'the lines of the last requests are dropped');

    const ended = fifo.read();
    await eventually(() => assert.equal(requestLines(fifo.text).length, requests - missed), { withinMs: 15_000 });
    // It takes lines again.
    requests += await answered(gateway, 100);
    await eventually(() => assert.equal(requestLines(fifo.text).length, requests - missed));
    assert.equal(await dropped(gateway), missed);
    assert.equal((await gateway.stop()).code, 0);
    await inTime(ended, 'the end of the log');
    const lines = linesOf(fifo.text);
    assert.equal(lines.at(-1)?.['msg'], 'stopped');
    assert.equal(requestLines(fifo.text).length, requests - missed);
  });

  test('a reader that goes away costs its lines and nothing else', async () => {
    const fifo = await Fifo.open(scene.directory);
    const gateway = await start(fifo.writer);
    fifo.close();
    const requests = await answered(gateway, 400);
    await eventually(async () => assert.equal(await dropped(gateway), requests));
    assert.equal((await gateway.stop()).code, 0);
  });

  test('a file gets every line', async () => {
    const file = join(scene.directory, 'log');
    const descriptor = openSync(file, 'a');
    const gateway = await start(descriptor);
    closeSync(descriptor);
    const requests = await answered(gateway, 2_000);
    assert.equal((await gateway.stop()).code, 0);
    const text = await readFile(file, 'utf8');
    assert.equal(requestLines(text).length, requests);
    assert.equal(linesOf(text).at(-1)?.['msg'], 'stopped');
  });
});

/** Sends so many requests, and says how many were answered. */
async function answered(gateway: GatewayProcess, requests: number): Promise<number> {
  let count = 0;
  const one = async (): Promise<void> => {
    const connection = await Connection.open(gateway.proxyPort);
    while (count < requests) {
      count++;
      assert.equal((await connection.exchange(REQUEST)).status, 404);
    }
    connection.destroy();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, one));
  return count;
}

/** Every line as an object. @throws SyntaxError at a line that is not whole */
function linesOf(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}

/** The lines of requests; the last line of all may not have come wholly yet. */
function requestLines(text: string): LogLine[] {
  return linesOf(text.slice(0, text.lastIndexOf('\n') + 1)).filter(({ msg }) => msg === 'request');
}
