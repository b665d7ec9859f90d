// Upstreams behind TLS: the certificate has to be one that Node accepts, for the host that was asked for.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeCertificate } from '../support/certificates.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

/** Asks an origin, as often as its arguments name paths, one after another, and prints what came of it. */
const PROGRAM = `
import { createHash } from 'node:crypto';
import { Connections } from ${JSON.stringify(new URL('../../src/wire/connections.ts', import.meta.url).href)};
const [origin, ...paths] = process.argv.slice(1);
const limits = { connectTimeout: 3000, responseTimeout: 3000, idleTimeout: 3000, maxConnections: 4 };
const connections = new Connections(origin, limits);
for (const path of paths) {
  const hash = createHash('sha256');
  console.log(await new Promise((resolve) => {
    let status = 0;
    const add = (part) => part && hash.update(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
    const end = () => resolve(status + ' ' + hash.digest('hex'));
    connections.send({ method: 'GET', path, fields: [], body: null, contentLength: 0 }, {
      whole(head, body) { status = head.status; add(body); end(); },
      head(head, first) { status = head.status; add(first); },
      data(chunk, release) { add(chunk); release?.(); },
      end,
      failed: ({ kind, detail, isSent }) => resolve([kind, detail, isSent].join(' ')),
    }, performance.now());
  }));
}
await connections.close();
`;

const LARGE = Buffer.alloc(3_000_000, 'portcullis');

describe('upstreams behind TLS', () => {
  let dir: TempDir;
  let ca: string;
  /** At 127.0.0.1, and one at an address that the certificate does not name. */
  const servers: Server[] = [];
  let port: number;
  const serverNames: (string | false | null)[] = [];
  const sockets = new Set<unknown>();

  before(async () => {
    dir = await makeTempDir();
    const certificate = await makeCertificate(dir, 'DNS:localhost,IP:127.0.0.1');
    ({ ca } = certificate);
    const [cert, key] = await Promise.all([readFile(certificate.cert), readFile(certificate.key)]);
    for (const address of ['127.0.0.1', '127.0.0.2']) {
      const server = createServer({ cert, key }, ({ url, socket }, response) => {
        sockets.add(socket);
        if (url === '/chunked') {
          response.write(LARGE.subarray(0, 1_000_000));
          response.end(LARGE.subarray(1_000_000));
        } else response.end(url === '/large' ? LARGE : 'ok');
      });
      server.on('secureConnection', (socket: TLSSocket) => serverNames.push(socket.servername));
      await new Promise<void>((resolve) => server.listen(port ?? 0, address, resolve));
      ({ port } = server.address() as AddressInfo);
      servers.push(server);
    }
  });
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await dir.remove();
  });

  const ask = async (host: string, paths: readonly string[], authority: string): Promise<string[]> => {
    const args = ['--input-type=module', '-e', PROGRAM, `https://${host}:${port}`, ...paths];
    const { stdout } = await run(process.execPath, args, { env: { ...process.env, NODE_EXTRA_CA_CERTS: authority } });
    return stdout.trim().split('\n');
  };
  const answer = (body: string | Buffer): string => `200 ${createHash('sha256').update(body).digest('hex')}`;

  test('answers of every size, on one connection, with the host as the name that is asked for', async () => {
    sockets.clear();
    const answers = await ask('localhost', ['/', '/large', '/chunked', '/'], ca);
    assert.deepEqual(answers, [answer('ok'), answer(LARGE), answer(LARGE), answer('ok')]);
    assert.equal(sockets.size, 1);
    assert.equal(serverNames.at(-1), 'localhost');
  });

  test('an address is asked for without a name, and verified', async () => {
    assert.deepEqual(await ask('127.0.0.1', ['/'], ca), [answer('ok')]);
    assert.ok(!serverNames.at(-1));
  });

  test('a certificate of an unknown authority is not accepted, and no byte is sent', async () => {
    const [outcome] = await ask('localhost', ['/'], '');
    assert.match(outcome!, /^unreachable (?:UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)\w+ false$/);
  });

  test('a certificate for another host is not accepted', async () => {
    assert.deepEqual(await ask('127.0.0.2', ['/'], ca), ['unreachable ERR_TLS_CERT_ALTNAME_INVALID false']);
  });
});
