// Clients that are slow: they do not read, send their heads or bodies a byte at a time, close one side, or only
// hold a connection. Memory stays bounded, each has its time-out, and others are served.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Connection, requestBytes } from '../support/acceptance-http.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { countsText } from '../support/fault-load.ts';
import { FaultScene, KEY } from '../support/fault-scene.ts';
import { atScale, found } from '../support/findings.ts';
import { answerLargely } from '../support/large-answers.ts';
import { descriptorsOf, processorMs, residentBytes } from '../support/process-facts.ts';
import { RawClient } from '../support/raw-client.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 64 * MIB;
const READERS = 50;
/** What each may take of the gateway's memory: a buffer or two on either side of it. */
const MOST_A_READER_BYTES = 2 * MIB;
const AS_HOLDER = { 'X-Api-Key': KEY };

describe('slow clients', { concurrency: true }, () => {
  describe('that read nothing, or send nothing', { concurrency: false }, () => {
    let on: FaultScene;
    before(async () => {
      on = await FaultScene.open({ answer: answerLargely(LARGE_BYTES) });
    });
    after(() => on.close());

    test(`${READERS} clients do not read an answer of 64 MiB: memory is bounded, others are served`, async (t) => {
      const load = on.load();
      await eventually(() => assert.ok(load.answered > 100), { withinMs: 15_000 });
      const beforeBytes = residentBytes(on.gateway.pid);
      const readers = await Promise.all(Array.from({ length: READERS }, () => Connection.open(on.gateway.proxyPort)));
      for (const { socket } of readers) socket.pause();
      const arrived = on.app.seen.length;
      for (const reader of readers) reader.write(requestBytes({ target: '/things/large', headers: AS_HOLDER }));
      const large = (): number => on.app.seen.slice(arrived).filter(({ target }) => target === '/things/large').length;
      await eventually(() => assert.equal(large(), READERS), { withinMs: 15_000 });
      const answered = load.answered;
      await eventually(() => assert.ok(load.answered > answered + 300), { withinMs: 20_000 });
      const grownBytes = residentBytes(on.gateway.pid) - beforeBytes;
      for (const reader of readers) reader.destroy();
      const { statuses, failures } = await load.stop();
      assert.ok(grownBytes < READERS * MOST_A_READER_BYTES, `${grownBytes} bytes for ${READERS} readers`);
      assert.deepEqual(failures, []);
      assert.deepEqual([...statuses.keys()], [200]);
      found(t, {
        promise: 11,
        tried: `${READERS} clients ask for 64 MiB each and read nothing`,
        promised: `memory bounded by buffers (at most ${MOST_A_READER_BYTES / MIB} MiB each of ${LARGE_BYTES / MIB}), others served`,
        seen: `${(grownBytes / MIB).toFixed(1)} MiB more for all ${READERS}; others ${countsText(statuses)}, 0 failed; ${await on.assertUnharmed()}`,
      });
    });

    test('thousands of connections that are only held: others are served, and they cost little', async (t) => {
      const count = atScale({ suite: 2_000, full: 8_000 });
      const beforeBytes = residentBytes(on.gateway.pid);
      const idle: Connection[] = [];
      while (idle.length < count) {
        idle.push(...(await Promise.all(Array.from({ length: 100 }, () => Connection.open(on.gateway.proxyPort)))));
      }
      await eventually(() => assert.ok(descriptorsOf(on.gateway.pid) >= count), { withinMs: 15_000 });
      const load = on.load();
      const busyMs = processorMs(on.gateway.pid);
      await eventually(() => assert.ok(load.answered > 200), { withinMs: 15_000 });
      const { statuses, failures } = await load.stop();
      const usedMs = processorMs(on.gateway.pid) - busyMs;
      const eachBytes = (residentBytes(on.gateway.pid) - beforeBytes) / count;
      for (const each of idle) each.destroy();
      assert.deepEqual(failures, []);
      assert.deepEqual([...statuses.keys()], [200]);
      found(t, {
        promise: 11,
        tried: `${count} connections that send nothing`,
        promised: 'others served; at most 20,000 connections at once (bounds.ts), those above are closed',
        seen: `others ${countsText(statuses)}, 0 failed, ${usedMs} ms of processor time for them; ${Math.round(eachBytes / 1024)} KiB each; ${await on.assertUnharmed()}`,
      });
    });
  });

  test('a head a byte at a time, a body that stops, one side closed: 408 or the end, each in its time', async (t) => {
    const on = await FaultScene.open({
      routes: { patient: { path: '/patient', upstream: 'patient' } },
      upstreams: { patient: { targets: ['http://127.0.0.1:1'], idleTimeout: '500ms' } },
    });
    t.after(() => on.close());
    const { proxyPort } = on.gateway;
    await on.gateway.reconfigure({
      ...on.settings,
      upstreams: { app: { targets: [on.app.url] }, patient: { targets: [on.app.url], idleTimeout: '500ms' } },
    });
    await on.gateway.logLine(({ msg }) => msg === 'configuration reloaded');
    const slow = async (): Promise<string> => {
      const client = await RawClient.open(proxyPort);
      const bytes = requestBytes({ target: '/things/x', headers: { ...AS_HOLDER, 'X-Long': 'y'.repeat(4_000) } });
      let at = 0;
      const timer = setInterval(() => client.write(bytes.subarray(at, ++at)), 50);
      const text = await client.rest(30_000);
      clearInterval(timer);
      client.destroy();
      return text;
    };
    const stopped = `POST /patient HTTP/1.1\r\nHost: a\r\nX-Api-Key: ${KEY}\r\nContent-Length: 100\r\n\r\npart`;
    const began = performance.now();
    const [heads, bodies, halves] = await Promise.all([
      Promise.all(Array.from({ length: 20 }, slow)),
      Promise.all(Array.from({ length: 20 }, () => RawClient.exchange(proxyPort, stopped, 20_000))),
      Promise.all(Array.from({ length: 20 }, () => halfClosed(proxyPort))),
    ]);
    const tookMs = performance.now() - began;
    for (const text of [...heads, ...bodies]) {
      assert.match(text, /^HTTP\/1\.1 408 [^]*\r\nConnection: close\r\n[^]*"code":"request_timeout"/i);
    }
    // As nginx has it: who closes its side has gone, and takes its request along.
    for (const text of halves) assert.equal(text, '');
    found(t, {
      promise: 7,
      tried:
        '20 clients send their head a byte at a time, 20 stop within their body, 20 close their side behind the request',
      promised:
        '408 request_timeout and close for slow heads (10 s) and bodies (idleTimeout); a client that closes its side has gone',
      seen: `408: ${heads.length + bodies.length}, closed: ${halves.length}, all within ${(tookMs / 1000).toFixed(1)} s; ${await on.assertUnharmed()}`,
    });
  });
});

async function halfClosed(port: number): Promise<string> {
  const client = await RawClient.open(port);
  client.socket.end(requestBytes({ target: '/things/hold', headers: AS_HOLDER }));
  try {
    return await client.rest(10_000);
  } finally {
    client.destroy();
  }
}
