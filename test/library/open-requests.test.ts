// An application's own streams obey too: what its middleware let through ends with the key that opened it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import express from 'express';
import { openManagement } from '../../src/compose/management.ts';
import { portcullis } from '../../src/express.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import { openStream } from '../support/open-clients.ts';
import { serveApp } from '../support/served-app.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { writeFileSync } from 'node:fs';

const directory = await makeTempDir();
const file = join(directory.path, 'portcullis.yaml');
writeFileSync(
  file,
  `version: 1
store: { url: "sqlite:${join(directory.path, 'p.db')}" }
credentials: { pepper: "file:${join(directory.path, 'pepper')}" }
log: { level: error }
routes:
  any: { path: /**, scopes: [x] }
`,
);
const management = await openManagement({ file, env: {}, warn: () => undefined });
const { keys } = management;
const gate = await portcullis({ config: file });
/** What the application hears of its streams. */
const closed: string[] = [];
const app = express();
app.use(gate);
app.get('/stream', (request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const timer = setInterval(() => response.write('data: tick\n\n'), 20);
  response.on('close', () => {
    clearInterval(timer);
    closed.push(request.portcullis?.keyId ?? '');
  });
});
let answerLate: (() => void) | undefined;
app.get('/late', (_request, response) => {
  answerLate = () => void response.status(200).json({ late: true });
});
const served = await serveApp(app);
const { port } = served;
after(async () => {
  served.close();
  await gate.close();
  await management.close();
  await directory.remove();
});

test('a stream of the application ends with its key, and the application hears of it', async () => {
  const [one, other] = await Promise.all([
    keys.create({ grants: { scopes: ['x'] } }),
    keys.create({ grants: { scopes: ['x'] } }),
  ]);
  const [revoked, kept] = await Promise.all([
    openStream(port, '/stream', one.secret),
    openStream(port, '/stream', other.secret),
  ]);
  await keys.revoke(one.record.id);
  assert.equal((await inTime(revoked.ended, 'its end')).how, 'cut');
  await eventually(() => assert.deepEqual(closed, [one.record.id]));
  assert.ok(kept.isOpen());
  kept.close();
  const { text } = await gate.metrics();
  assert.match(text, /portcullis_decisions_total\{route="any",outcome="denied",reason="revoked"\} 1/);
});

test('a request that the application has not answered is cut, and a late answer harms nobody', async () => {
  const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
  const asked = fetch(`http://127.0.0.1:${port}/late`, { headers: { 'X-Api-Key': secret } });
  const ended = assert.rejects(asked);
  await eventually(() => assert.ok(answerLate));
  await keys.revoke(record.id);
  await inTime(ended, 'its end');
  answerLate!();
  const refused = await fetch(`http://127.0.0.1:${port}/late`, { headers: { 'X-Api-Key': secret } });
  assert.equal(refused.status, 401);
});
