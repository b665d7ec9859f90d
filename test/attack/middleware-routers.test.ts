// Express's own routers against the decision: an application with one handler for each route, written as Express writes it and
// registered as specific before general. Whatever is asked for, the handler that runs is that of the route that decided.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import express, { type Request, type Response, type Router } from 'express';
import { portcullis } from '../../src/express.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededNumbers } from '../support/seeded-numbers.ts';
import { serveApp } from '../support/served-app.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** In the order in which they are more specific. */
const PATHS = [
  '/',
  '/a/B',
  '/a/B/**',
  '/a/*/c',
  '/a',
  '/a/**',
  '/a b/**',
  '/a$',
  '/m/a',
  '/m/n/a',
  '/m/n/*',
  '/m/n/**',
  '/m/**',
  '/x+y/*',
  '/x@y',
  '/x@y/**',
  '/é',
  '/*/c/**',
  '/*',
  '/**',
];
/** Segments as clients may write them: in another case, encoded, or like a pattern. */
const SEGMENTS =
  'a A B b c C x@y x%40y X@Y x%40Y x+y x%2By x%2by m n M N %6d %6D q a$ a%24 %C3%A9 %c3%a9 %C3%89 a%20b A%20b %61 . %2e a%2f * ** :p0 %3Ap0 - a;b';
const TAILS = ['', '', '', '/', '?', '?a=1', '?/m/n', '/?/..'];

const directory = await makeTempDir();
const gate = await portcullis({
  config: {
    version: 1,
    store: { url: `sqlite:${join(directory.path, 'p.db')}` },
    credentials: { pepper: `file:${join(directory.path, 'pepper')}` },
    log: { level: 'error' },
    routes: Object.fromEntries(PATHS.map((path, at) => [`r${at}`, { path, access: 'public' }])),
  },
});
const app = express();
app.use('/m/n', express.Router().use(gate, handlersUnder('/m/n')));
app.use('/m', gate, handlersUnder('/m'));
app.use(gate, handlersUnder(''));
const served = await serveApp(app);
const { port } = served;

after(async () => {
  served.close();
  await gate.close();
  await directory.remove();
});

/** Handlers of all routes below the mount path. */
function handlersUnder(mount: string): Router {
  const router = express.Router();
  for (const [at, path] of PATHS.entries()) {
    if (path !== mount && !path.startsWith(`${mount}/`)) continue;
    const own = path.slice(mount.length).replace(/\/\*\*$/, '');
    const pattern = own.split('/').map(segmentOf).join('/') || '/';
    const handler = (request: Request, response: Response): void => {
      response.json([`r${at}`, request.portcullis?.route]);
    };
    if (path.endsWith('/**')) router.use(pattern, handler);
    else router.all(pattern, handler);
  }
  return router;
}

function segmentOf(segment: string, at: number): string {
  if (segment === '*') return `:p${at}`;
  return encodeURI(segment).replace(/[+$]/g, '\\$&');
}

test('whatever is asked for, the handler that runs is the one of the route that decided', async (t) => {
  const numbers = seededNumbers();
  t.diagnostic(numbers.seed);
  const segments = SEGMENTS.split(' ');
  const pick = (from: readonly string[]): string => from[numbers.below(from.length)]!;
  let passed = 0;
  for (let round = 0; round < 60; round++) {
    const targets = Array.from({ length: 25 }, () => {
      const path = Array.from({ length: numbers.below(5) }, () => `/${pick(segments)}`).join('');
      return `${path || '/'}${pick(TAILS)}`;
    });
    const answers = await Promise.all(
      targets.map((target) =>
        RawClient.exchange(port, `GET ${target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n`),
      ),
    );
    for (const [at, answer] of answers.entries()) {
      if (answer.startsWith('HTTP/1.1 400 ')) continue;
      assert.match(answer, /^HTTP\/1\.1 200 /, targets[at]!);
      const [ran, decided] = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as [string, string];
      assert.equal(ran, decided, targets[at]!);
      passed++;
    }
  }
  assert.ok(passed > 300, `${passed} passed`);
});
