// An application behind the middleware that answers whenever it likes: what was ended meanwhile costs it nothing, though a
// client chooses the moment, and nothing is let through by a middleware that was closed.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import express, { type Response } from 'express';
import { openManagement } from '../../src/compose/management.ts';
import { type PortcullisMiddleware, portcullis } from '../../src/express.ts';
import { readScrape } from '../support/acceptance-metrics.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { RawClient } from '../support/raw-client.ts';
import { type ServedApp, serveApp } from '../support/served-app.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const HEAD = 'POST /later HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n';
const TOO_MUCH = `400\r\n${'x'.repeat(1024)}\r\n`;
const directory = await makeTempDir();
const file = join(directory.path, 'portcullis.yaml');
let gate: PortcullisMiddleware;
let served: ServedApp;
let port: number;
/** What the application has not answered yet. */
let late: Response | undefined;

before(async () => {
  writeFileSync(
    file,
    `version: 1
store: { url: "sqlite:${join(directory.path, 'p.db')}" }
credentials: { pepper: "file:${join(directory.path, 'pepper')}" }
log: { level: error }
routes:
  later: { path: /later, access: public, maxBody: 1KiB }
  keyed: { path: /keyed, scopes: [x] }
  public: { path: /public, access: public }
`,
  );
  gate = await portcullis({ config: file });
  const app = express().use(gate, (_request, response) => void (late = response));
  served = await serveApp(app);
  ({ port } = served);
});

after(async () => {
  served.close();
  await gate.close();
  await directory.remove();
});

test('an application that answers late harms nobody when a body turned out too large', async () => {
  const answers: readonly ((response: Response) => void)[] = [
    (response) => response.json({}),
    (response) => response.write('x'),
    (response) => response.writeHead(200).end('x'),
    (response) => response.redirect('/'),
  ];
  for (const answer of answers) {
    late = undefined;
    const client = await RawClient.open(port, HEAD);
    await eventually(() => assert.ok(late));
    client.write(TOO_MUCH);
    assert.match(await client.until('"body_too_large"'), /^HTTP\/1\.1 413 /);
    const mine = late!;
    answer(mine);
    // Nothing behind an answer that closes is a request any more.
    client.write('0\r\n\r\nGET /later HTTP/1.1\r\nHost: app.test\r\n\r\n');
    assert.equal((await client.rest()).match(/HTTP\/1\.1 /g)?.length, 1);
    assert.equal(late, mine);
  }
  await eventually(async () => {
    const scrape = readScrape((await gate.metrics()).text);
    const route = 'later';
    assert.equal(scrape.sum('portcullis_requests_total', { route, status: '413' }), answers.length);
    assert.equal(scrape.sum('portcullis_decisions_total', { route, reason: 'body_too_large' }), answers.length);
  });
});

test('an application that had begun to answer has its answer cut, which is recorded as denied', async () => {
  late = undefined;
  const client = await RawClient.open(port, HEAD);
  await eventually(() => assert.ok(late));
  late!.write('begun');
  await client.until('begun');
  client.write(TOO_MUCH);
  await client.rest();
  late!.end('x');
  await eventually(async () => {
    const scrape = readScrape((await gate.metrics()).text);
    assert.equal(scrape.sum('portcullis_requests_total', { route: 'later', status: '200' }), 1);
    assert.equal(scrape.sum('portcullis_decisions_total', { route: 'later', outcome: 'allowed' }), 0);
  });
});

test('a middleware that was closed lets nothing through, cached or public', async () => {
  const management = await openManagement({ file, env: {}, warn: () => undefined });
  const { secret } = await management.keys.create({ grants: { scopes: ['x'] } });
  await management.close();
  const closing = await portcullis({ config: file });
  const app = express().use(closing, (_request, response) => void response.end());
  const behind = await serveApp(app);
  const ask = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${behind.port}${path}`, { headers: { 'X-Api-Key': secret } })).status;
  assert.deepEqual([await ask('/keyed'), await ask('/public')], [200, 200]);
  await closing.close();
  assert.deepEqual([await ask('/keyed'), await ask('/public')], [503, 503]);
  behind.close();
});
