import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../support/acceptance-ports.ts';
import { own } from '../support/own-process.ts';
import { serveApp } from '../support/served-app.ts';

// The examples import the package by its name, so they have to run inside its folder, against its compiled form.
const ROOT = new URL('../..', import.meta.url).pathname;
const FOLDER = join(ROOT, 'tmp', `docs-examples-${process.pid}`);
const PAGE = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
const EXAMPLES = [...PAGE.matchAll(/```js\n([^]*?)```/g)].map((match) => match[1]!);

const CONFIG = `version: 1
store: { url: "sqlite:${FOLDER}/p.db" }
credentials: { pepper: "file:${FOLDER}/pepper" }
routes: { orders: { path: /orders/**, scopes: [orders:read] } }
`;

const children: ChildProcess[] = [];
let secret: string;

before(async () => {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'portcullis.yaml'), CONFIG);
  const run = promisify(execFile);
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')]);
  const { stdout } = await run(
    process.execPath,
    [
      join(ROOT, 'dist/main.js'),
      'keys',
      'create',
      '--scope',
      'orders:read',
      '--owner',
      'acme',
      '--json',
      '-c',
      'portcullis.yaml',
    ],
    { cwd: FOLDER },
  );
  secret = (JSON.parse(stdout) as { secret: string }).secret;
});

after(async () => {
  await Promise.all(
    children.filter((child) => child.exitCode === null && child.kill('SIGKILL')).map((child) => once(child, 'exit')),
  );
  rmSync(FOLDER, { recursive: true, force: true });
});

/** Runs an example with its ports replaced by free ones, until it accepts connections at `port`. */
async function start(
  name: string,
  source: string,
  ports: Readonly<Record<string, number>>,
  port: number,
): Promise<ChildProcess> {
  const file = join(FOLDER, `${name}.mjs`);
  writeFileSync(
    file,
    source
      .replace(/\b(3000|3001|8080|9464)\b/g, (text) => String(ports[text] ?? text))
      .replace('data/portcullis.db', `${FOLDER}/p.db`),
  );
  const child = own(spawn(process.execPath, [file], { cwd: FOLDER, stdio: ['ignore', 'pipe', 'inherit'] }));
  children.push(child);
  child.stdout.resume();
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 1_000) assert.fail(`${name} does not listen`);
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => new Promise<boolean>((resolve) => setTimeout(resolve, 20, false)),
    );
    if (isUp) return child;
  }
}

test('every example of the library page is run by a test', () => {
  assert.equal(EXAMPLES.length, 3);
});

test('the Express example answers with the key it was called with', async () => {
  const port = await freePort();
  await start('express', EXAMPLES[0]!, { 3000: port }, port);
  const answer = await fetch(`http://127.0.0.1:${port}/orders/7`, { headers: { 'x-api-key': secret } });
  assert.deepEqual(await answer.json(), { id: '7', owner: 'acme' });
  assert.equal((await fetch(`http://127.0.0.1:${port}/orders/7`)).status, 401);
});

test('the Express example with http-proxy-middleware forwards who is calling, and not the key', async () => {
  const upstream = await serveApp((request, response) =>
    response.end(JSON.stringify({ url: request.url, headers: request.headers })),
  );
  try {
    const port = await freePort();
    await start('express-proxy', EXAMPLES[1]!, { 3000: port, 3001: upstream.port }, port);
    const answer = await fetch(`http://127.0.0.1:${port}/orders/%37?x=1`, {
      headers: { 'x-api-key': secret, 'x-consumer-id': 'root' },
    });
    const { url, headers } = (await answer.json()) as { url: string; headers: Record<string, string> };
    assert.equal(url, '/orders/7?x=1');
    assert.equal(headers['x-consumer-id'], 'acme');
    assert.equal(headers['x-api-key'], undefined);
    assert.equal((await fetch(`http://127.0.0.1:${port}/orders/7`)).status, 401);
  } finally {
    upstream.close();
  }
});

test('the createGateway example is a whole gateway, and SIGTERM drains it', async () => {
  const upstream = await serveApp((_request, response) => response.end('an order'));
  try {
    const [proxy, ops] = [await freePort(), await freePort()];
    const child = await start(
      'gateway',
      EXAMPLES[2]!.replace('version: 1,', `version: 1, credentials: { pepper: 'file:${FOLDER}/pepper' },`),
      { 3000: upstream.port, 8080: proxy, 9464: ops },
      proxy,
    );
    const answer = await fetch(`http://127.0.0.1:${proxy}/orders/7`, { headers: { 'x-api-key': secret } });
    assert.equal(await answer.text(), 'an order');
    assert.equal((await fetch(`http://127.0.0.1:${ops}/readyz`)).status, 200);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  } finally {
    upstream.close();
  }
});
