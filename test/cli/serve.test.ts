// SPEC sections 1 and 6: `serve` runs the gateway until a signal ends it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { portcullis } from '../support/acceptance-cli.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { startGateway, type GatewayProcess } from '../support/gateway-process.ts';
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
