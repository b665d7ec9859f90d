// How long a client may take nothing of an answer that comes in parts: as long as its upstream's idleTimeout says.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createGateway } from '../../src/index.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { RawClient } from '../support/raw-client.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Of the gateway's side of the client's connection. */
let socket: Socket | undefined;
const PART = Buffer.alloc(16 * 1024);

const directory = await makeTempDir();
const upstream = await startRecordingUpstream(async (seen) => {
  await seen.until('\r\n\r\n');
  seen.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
  // Until the system's buffers are full and a little is left: too little for the gateway to stop reading.
  while (socket && !socket.destroyed && !socket.timeout) {
    if (socket.writableLength === 0) seen.socket.write(PART);
    await pause(1);
  }
});
await writeFile(
  directory.file('portcullis.yaml'),
  `version: 1
listen: { proxy: 127.0.0.1:0, ops: 127.0.0.1:0 }
store: { url: "sqlite:${directory.file('p.db')}" }
credentials: { pepper: "file:${directory.file('pepper')}" }
log: { level: error, requests: denied }
upstreams: { app: { targets: [${upstream.origin}], idleTimeout: 10m } }
routes: { any: { path: /**, upstream: app, access: public } }
`,
);
const gateway = await createGateway({ config: directory.file('portcullis.yaml') });
after(async () => {
  await gateway.stop();
  await upstream.close();
  await directory.remove();
});

test('a client that pauses is given what idleTimeout says, where that is longer', async () => {
  const began = (message: unknown): void => void ({ socket } = message as { readonly socket: Socket });
  subscribe('http.server.request.start', began);
  const client = await RawClient.open(gateway.proxyAddress.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  client.socket.pause();
  await eventually(() => assert.ok((socket?.timeout ?? 0) > 0));
  unsubscribe('http.server.request.start', began);
  assert.equal(socket?.timeout, 600_000);
  client.destroy();
});
