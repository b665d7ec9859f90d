// One gateway is cut off from its store while a key that holds connections open is revoked.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { openManagement } from '../../src/compose/management.ts';
import { environment } from '../support/acceptance-cli.ts';
import { send } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { openSocket, openStream } from '../support/open-clients.ts';
import { startOpenUpstream } from '../support/open-upstream.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const MAX_STALENESS_S = 1;
let scene: Scene;
let link: TcpProxy;
let near: GatewayProcess;
let cutOff: GatewayProcess;
let management: Awaited<ReturnType<typeof openManagement>>;

before(async () => {
  scene = await Scene.open('redis');
  const app = await startOpenUpstream();
  scene.onClose(() => app.close());
  link = await TcpProxy.to(scene.store.redis!.port);
  scene.onClose(() => link.close());
  const start = (url: string): Promise<GatewayProcess> =>
    scene.gateway({
      store: { url, maxStaleness: `${MAX_STALENESS_S}s` },
      shutdown: { timeout: '2s' },
      upstreams: { app: { targets: [app.url] } },
      routes: { any: { upstream: 'app', upgrade: ['websocket'], path: '/**', scopes: ['x'] } },
    });
  [near, cutOff] = await Promise.all([start(scene.store.url), start(`redis://127.0.0.1:${link.port}/0`)]);
  management = await openManagement({ file: near.configFile, env: environment(), warn: () => undefined });
  scene.onClose(() => management.close());
});
after(() => scene.close());

test('what a key holds open outlives the cut, and ends once the store is heard again', async (t) => {
  const { keys } = management;
  const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
  const { secret: kept } = await keys.create({ grants: { scopes: ['x'] } });
  const [here, there, stream, other] = await Promise.all([
    openSocket(near.proxyPort, '/socket', secret),
    openSocket(cutOff.proxyPort, '/socket', secret),
    openStream(cutOff.proxyPort, '/stream', secret),
    openSocket(cutOff.proxyPort, '/socket', kept),
  ]);
  link.refuse();
  await keys.revoke(record.id);
  assert.equal((await inTime(here.ended, 'the end at the other gateway')).how, 1008);
  const ask = (): Promise<number> =>
    send(cutOff.proxyPort, { target: '/quick', headers: { 'X-Api-Key': secret } }).then(({ status }) => status);
  await eventually(async () => assert.equal(await ask(), 503));
  await there.echo();
  assert.ok(stream.isOpen());
  link.heal();
  const heard = eventually(async () => {
    const page = await fetch(`http://127.0.0.1:${cutOff.opsPort}/readyz`);
    await page.arrayBuffer();
    assert.equal(page.status, 200);
    return performance.now();
  });
  const ended = await inTime(Promise.all([there.ended, stream.ended]), 'their end');
  assert.deepEqual(
    ended.map(({ how }) => how),
    [1008, 'cut'],
  );
  await other.echo();
  const lateMs = Math.max(...ended.map(({ atMs }) => atMs)) - (await heard);
  found(t, {
    promise: 1,
    tried: `one gateway cut off from Redis while a key is revoked, maxStaleness ${MAX_STALENESS_S} s`,
    promised: 'new requests 503 after maxStaleness; what is open ends once the store is heard again',
    seen: `503; WebSocket and stream ended ${Math.round(Math.max(0, lateMs))} ms after /readyz was 200 again, another key’s stayed`,
  });
  const closed = once(other.socket, 'close');
  other.close();
  await closed;
});
