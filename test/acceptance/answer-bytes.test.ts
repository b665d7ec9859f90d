// What an upstream answers comes to the client byte for byte, whatever Node makes of the names of its fields.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scene } from '../support/acceptance-scene.ts';
import { RawClient } from '../support/raw-client.ts';
import { answering, startRecordingUpstream } from '../support/recording-upstream.ts';

test('bytes above 0x7f in a field come as they are, also beside an Expect field, at which Node sends a head at once', async () => {
  const scene = await Scene.open('sqlite');
  try {
    const answer = Buffer.from(
      'HTTP/1.1 200 OK\r\nX-Name: \xe9\x80\r\nExpect: \r\nConnection: close\r\n\r\n',
      'latin1',
    );
    const upstream = await startRecordingUpstream(async (connection, index) => {
      connection.socket.on('data', () => setImmediate(() => connection.socket.end()));
      await answering(answer)(connection, index);
    });
    scene.onClose(() => upstream.close());
    const gateway = await scene.gateway({
      upstreams: { app: { targets: [upstream.origin] } },
      routes: { all: { path: '/**', upstream: 'app', access: 'public' } },
    });
    const request = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    assert.match(await RawClient.exchange(gateway.proxyPort, request), /^HTTP\/1.1 200 OK\r\nX-Name: \xe9\x80\r\n/);
  } finally {
    await scene.close();
  }
});
