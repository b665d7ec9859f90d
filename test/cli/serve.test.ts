// SPEC sections 1 and 6: `serve` runs the gateway until a signal ends it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { MAIN, portcullis } from '../support/acceptance-cli.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { startGateway, type GatewayProcess } from '../support/gateway-process.ts';
import { own } from '../support/own-process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

describe('serve', () => {
  let dir: TempDir;
  let upstream: Server;
  let settings: Record<string, unknown>;
  before(async () => {
    dir = await makeTempDir();
    // It never answers: what is sent to it stays under way.
    upstream = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const { port } = upstream.address() as AddressInfo;
    settings = {
      store: { url: `sqlite:${dir.file('keys.db')}` },
      credentials: { pepper: `file:${dir.file('pepper')}` },
      upstreams: { app: { targets: [`http://127.0.0.1:${port}`] } },
      routes: { slow: { path: '/slow', upstream: 'app', access: 'public' } },
    };
  });
  after(async () => {
    upstream.closeAllConnections();
    upstream.close();
    await dir.remove();
  });

  const start = (name: string): Promise<GatewayProcess> => startGateway(settings, { directory: dir.path, name });

  /** Leaves a request under way, and resolves once the upstream has it. */
  async function hang({ proxyPort }: GatewayProcess): Promise<void> {
    const arrived = once(upstream, 'request');
    request({ host: '127.0.0.1', port: proxyPort, path: '/slow', agent: false })
      .on('error', () => undefined)
      .end();
    await arrived;
  }

  test('SIGHUP reads the configuration again; SIGTERM ends it, exit 0', async () => {
    const gateway = await start('hup');
    gateway.signal('SIGHUP');
    await gateway.logLine(({ msg }) => msg === 'configuration reloaded');
    gateway.signal('SIGTERM');
    assert.deepEqual(await gateway.exited, { code: 0, signal: null });
  });

  test('with a pipe that gives nothing for its configuration it goes on, and SIGTERM ends it all the same', async () => {
    const gateway = await start('pipe');
    await rm(gateway.configFile);
    execFileSync('mkfifo', [gateway.configFile]);
    gateway.signal('SIGHUP');
    await gateway.logLine(({ msg }) => /refused.+is a pipe that gives nothing/.test(String(msg)));
    gateway.signal('SIGTERM');
    assert.deepEqual(await inTime(gateway.exited, 'the end'), { code: 0, signal: null });
  });

  test('SIGHUP and SIGTERM during its start: it starts, and then it ends, exit 0', async () => {
    const file = dir.file('early.yaml');
    execFileSync('mkfifo', [file]);
    const child = own(spawn(process.execPath, [MAIN, 'serve', '-c', file], { stdio: ['ignore', 'pipe', 'inherit'] }));
    const ended = once(child, 'exit');
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text));
    // It opens when the start has come to reading its configuration.
    const pipe = await open(file, 'w');
    child.kill('SIGHUP');
    child.kill('SIGTERM');
    const listen = { proxy: '127.0.0.1:0', ops: '127.0.0.1:0' };
    await pipe.writeFile(stringify({ version: 1, listen, ...settings }));
    await pipe.close();
    assert.deepEqual(await inTime(ended, 'the end'), [0, null]);
    assert.match(log, /"listening".*"stopped","isFinished":true/s);
  });

  test('a second signal ends it at once, exit 1', async () => {
    const gateway = await start('twice');
    await hang(gateway);
    gateway.signal('SIGINT');
    await gateway.logLine(({ msg }) => msg === 'draining');
    let end: unknown;
    void gateway.exited.then((ended) => (end = ended));
    // The one that npm passes on right behind the terminal's own counts as the same signal.
    await eventually(() => {
      gateway.signal('SIGINT');
      assert.ok(end);
    });
    assert.deepEqual(end, { code: 1, signal: null });
  });

  test('an address that is taken: one clear sentence, exit 1', async () => {
    const gateway = await start('first');
    try {
      const { code, stderr } = await portcullis(['serve', '-c', gateway.configFile], { cwd: dir.path });
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^portcullis: cannot listen at 127\.0\.0\.1:\d+ \(EADDRINUSE\); set listen\.\w+ to a free address[^\n]*\n$/,
      );
    } finally {
      await gateway.stop();
    }
  });
});
