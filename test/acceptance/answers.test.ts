// Every row of the answers table of SPEC section 5, on both stores, over a fresh connection, a reused one and as a
// WebSocket handshake: what is answered, counted and logged.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import type { Code, Reason } from '../../src/core/reasons.ts';
import { Connection, HANDSHAKE, send, type RequestParts, type Response } from '../support/acceptance-http.ts';
import { mistyped, strangerKey } from '../support/acceptance-key-text.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { assertProblem, CHALLENGE, INVALID_CHALLENGE } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { startSocketServer, type Upstream } from '../support/acceptance-upstream.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const WAYS = ['a fresh connection', 'a reused connection', 'a WebSocket handshake'] as const;
type Way = (typeof WAYS)[number];

/** One row of the table, as a request that provokes it. */
interface Row {
  readonly name: string;
  readonly status: number;
  readonly code: Code;
  /** What log and metric give as the reason, where it is not the code. */
  readonly reason?: Reason;
  readonly request: () => Omit<RequestParts, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };
  /** Ways that the row does not have; a body and `Expect` do not go with a handshake. */
  readonly noHandshake?: true;
  readonly headers?: Readonly<Record<string, string | RegExp>>;
  readonly members?: Readonly<Record<string, unknown>>;
  /** The connection is over after it. */
  readonly closes?: true;
  /** It is the forwarding that fails: the decision was made, and let the request through. */
  readonly forwarding?: true;
  readonly prepare?: () => Promise<void>;
  readonly cleanUp?: () => Promise<void>;
}

const reader = 'an-imported-key-of-reader';
const nobody = 'an-imported-key-of-nobody';
const crowded = 'an-imported-key-of-crowded';

const asReader = { 'X-Api-Key': reader };
const BLOCKED_ADDRESS = '198.51.100.77';

// Both stores at the same time: much of it is waiting for processes.
describe('answers', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`answers on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      let gateway: GatewayProcess;
      let app: Upstream;
      /** Sends half of its headers before all other tests, so that the wait for its end is theirs too. */
      let slow: Connection;
      const secrets = {
        disabled: 'an-imported-key-disabled',
        revoked: 'an-imported-key-revoked',
        expired: '',
        undeclared: '',
      };

      before(async () => {
        scene = await Scene.open(kind);
        app = await scene.upstream();
        gateway = await scene.gateway(await settings(scene, app));
        slow = await Connection.open(gateway.proxyPort);
        slow.write('GET /things/1 HTTP/1.1\r\nHost: gateway.test\r\nX-Api-K');
        await scene.importKeys(gateway, [
          { id: 'reader', owner: 'acme', secret: reader, scopes: ['things:read'] },
          { id: 'nobody', owner: 'acme', secret: nobody },
          { id: 'crowded', owner: 'acme', secret: crowded, scopes: ['things:read'], plan: 'single' },
          { id: 'off', owner: 'acme', secret: secrets.disabled, scopes: ['things:read'] },
          { id: 'gone', owner: 'acme', secret: secrets.revoked, scopes: ['things:read'] },
        ]);
        const ghost = join(scene.directory, 'ghost.yaml');
        const declared = {
          version: 1,
          ...scene.settings({ keys: { ghost: { owner: 'acme', scopes: ['things:read'] } } }),
        };
        await writeFile(ghost, stringify({ ...declared, ...(await settings(scene, app)) }));
        const create = ['keys', 'create', '--owner', 'acme', '--scope', 'things:read', '--expires', '1s'];
        const [expired, undeclared] = await Promise.all([
          scene.json(gateway, ...create),
          scene.json({ configFile: ghost }, 'keys', 'create', 'ghost'),
          scene.run(gateway, 'keys', 'disable', 'off'),
          scene.run(gateway, 'keys', 'revoke', 'gone'),
        ]);
        secrets.expired = expired['secret'] as string;
        secrets.undeclared = undeclared['secret'] as string;
        for (const secret of Object.values(secrets)) {
          await eventually(async () => {
            const answer = await send(gateway.proxyPort, { target: '/things/1', headers: { 'X-Api-Key': secret } });
            assert.equal(answer.status, 401);
          });
        }
      });
      after(async () => {
        slow.destroy();
        await scene.close();
      });

      const flaw = (reason: Reason, key: () => string): Row => ({
        name: `key_invalid (${reason})`,
        status: 401,
        code: 'key_invalid',
        reason,
        // An address of its own for each, so that the guard has no say in it.
        request: () => ({ target: '/things/1', headers: { 'X-Api-Key': key(), 'X-Forwarded-For': strangerAddress() } }),
        headers: { 'WWW-Authenticate': INVALID_CHALLENGE },
      });
      const flaws: Row[] = [
        flaw('malformed', () => mistyped(strangerKey())),
        flaw('unknown', () => strangerKey()),
        flaw('disabled', () => secrets.disabled),
        flaw('revoked', () => secrets.revoked),
        flaw('expired', () => secrets.expired),
        flaw('undeclared', () => secrets.undeclared),
      ];

      const rows: Row[] = [
        {
          name: 'ambiguous_request',
          status: 400,
          code: 'ambiguous_request',
          request: () => ({ target: '/things/../things/1', headers: asReader }),
          headers: { Connection: 'close' },
          closes: true,
        },
        {
          name: 'key_ambiguous',
          status: 400,
          code: 'key_ambiguous',
          request: () => ({ target: '/things/1', headers: { ...asReader, Authorization: `Bearer ${reader}` } }),
        },
        {
          name: 'key_missing',
          status: 401,
          code: 'key_missing',
          request: () => ({ target: '/things/1' }),
          headers: { 'WWW-Authenticate': CHALLENGE },
        },
        ...flaws,
        {
          name: 'network_denied',
          status: 403,
          code: 'network_denied',
          request: () => ({ target: '/fenced/1', headers: { ...asReader, 'X-Forwarded-For': '192.0.2.1' } }),
        },
        {
          name: 'scope_missing',
          status: 403,
          code: 'scope_missing',
          request: () => ({ target: '/things/1', headers: { 'X-Api-Key': nobody } }),
          headers: {
            'WWW-Authenticate':
              /^Bearer realm="portcullis", error="insufficient_scope", scope="things:read"(, ApiKey |$)/,
          },
          members: { missing: ['things:read'] },
        },
        { name: 'route_not_found', status: 404, code: 'route_not_found', request: () => ({ target: '/no/such' }) },
        {
          name: 'method_not_allowed',
          status: 405,
          code: 'method_not_allowed',
          request: () => ({ target: '/written/1', headers: asReader }),
          headers: { Allow: 'POST, PUT' },
        },
        {
          name: 'body_too_large',
          status: 413,
          code: 'body_too_large',
          request: () => ({ method: 'PUT', target: '/things/1', headers: asReader, body: 'x'.repeat(1025) }),
          noHandshake: true,
        },
        {
          name: 'uri_too_long',
          status: 414,
          code: 'uri_too_long',
          request: () => ({ target: `/things/${'a'.repeat(12_000)}`, headers: asReader }),
        },
        {
          name: 'uri_too_long (longer than all headers may be)',
          status: 414,
          code: 'uri_too_long',
          request: () => ({ target: `/things/${'a'.repeat(70_000)}`, headers: asReader }),
        },
        {
          name: 'headers_too_large',
          status: 431,
          code: 'headers_too_large',
          request: () => ({ target: '/things/1', headers: { ...asReader, 'X-Long': 'a'.repeat(70_000) } }),
        },
        {
          name: 'expectation_failed',
          status: 417,
          code: 'expectation_failed',
          request: () => ({
            method: 'PUT',
            target: '/things/1',
            headers: { ...asReader, Expect: 'wonders' },
            body: 'x',
          }),
          noHandshake: true,
        },
        {
          name: 'upgrade_refused',
          status: 426,
          code: 'upgrade_refused',
          request: () => ({ target: '/plain/1', headers: { ...asReader, ...HANDSHAKE } }),
        },
        {
          name: 'rate_limited',
          status: 429,
          code: 'rate_limited',
          request: () => ({ target: '/limited/1', headers: asReader }),
          prepare: async () => {
            for (const _ of [1, 2]) {
              await eventually(() => send(gateway.proxyPort, { target: '/limited/1', headers: asReader }));
            }
          },
          headers: {
            'Retry-After': /^[1-9][0-9]*$/,
            RateLimit: /^"per-key";r=0;t=[1-9][0-9]*$/,
            'RateLimit-Policy': '"per-key";q=2;w=86400',
          },
          members: { 'violated-policies': ['per-key'] },
        },
        {
          name: 'concurrency_exceeded',
          status: 429,
          code: 'concurrency_exceeded',
          request: () => ({ target: '/things/1', headers: { 'X-Api-Key': crowded } }),
          prepare: async () => {
            void send(gateway.proxyPort, { target: '/things/hold', headers: { 'X-Api-Key': crowded } }).catch(() => {});
            await eventually(() => assert.equal(app.held.length, 1));
          },
          cleanUp: async () => app.release(),
          headers: { 'Retry-After': '1' },
        },
        {
          name: 'address_blocked',
          status: 429,
          code: 'address_blocked',
          request: () => ({ target: '/things/1', headers: { ...asReader, 'X-Forwarded-For': BLOCKED_ADDRESS } }),
          prepare: async () => {
            for (let failure = 0; failure < 20; failure++) {
              const headers = { 'X-Api-Key': strangerKey(), 'X-Forwarded-For': BLOCKED_ADDRESS };
              await send(gateway.proxyPort, { target: '/things/1', headers });
            }
          },
          headers: { 'Retry-After': /^[1-9][0-9]*$/ },
        },
        ...(['refused', 'reset'] as const).map((path): Row => ({
          name: `upstream_unreachable (${path})`,
          status: 502,
          code: 'upstream_unreachable',
          request: () => ({ target: `/${path}/1`, headers: asReader }),
          forwarding: true,
        })),
        {
          name: 'upstream_invalid',
          status: 502,
          code: 'upstream_invalid',
          request: () => ({ target: '/garbage/1', headers: asReader }),
          forwarding: true,
        },
        {
          name: 'no_healthy_target',
          status: 503,
          code: 'no_healthy_target',
          request: () => ({ target: '/sick/1', headers: asReader }),
          prepare: async () => {
            await eventually(async () => {
              const answer = await send(gateway.proxyPort, { target: '/sick/1', headers: asReader });
              assert.equal(answer.status, 503);
            });
          },
          forwarding: true,
        },
        {
          name: 'upstream_timeout',
          status: 504,
          code: 'upstream_timeout',
          request: () => ({ target: '/silent/1', headers: asReader }),
          forwarding: true,
        },
      ];

      for (const row of rows) {
        test(`${row.status} ${row.name}`, async (t) => {
          await row.prepare?.();
          try {
            for (const way of WAYS) {
              if (way === 'a WebSocket handshake' && row.noHandshake) continue;
              await t.test(`over ${way}`, () => provoke(row, way));
            }
          } finally {
            await row.cleanUp?.();
          }
        });
      }

      async function provoke(row: Row, way: Way): Promise<void> {
        const before = await gateway.metrics();
        const reachedBefore = app.seen.length;
        const connection = await Connection.open(gateway.proxyPort);
        let others = 0;
        try {
          if (way === 'a reused connection') others += await goodRequest(connection);
          const reachedFirst = app.seen.length;
          const parts = row.request();
          const headers = way === 'a WebSocket handshake' ? { ...parts.headers, ...HANDSHAKE } : parts.headers;
          const answer = await connection.exchange({ ...parts, ...(headers ? { headers } : {}) });
          assert.equal(app.seen.length, reachedFirst, 'nothing reached the upstream');
          const requestId = assertAnswer(row, answer);
          if (row.closes) await inTime(connection.closed, 'the end of the connection');
          else if (way !== 'a WebSocket handshake' && answer.header('connection')?.toLowerCase() !== 'close') {
            others += await goodRequest(connection);
          }
          await assertRecorded(row, before, requestId, others);
        } finally {
          connection.destroy();
        }
        assert.equal(app.seen.length, reachedBefore + others);
      }

      /** A request that is let through, to show that the connection is in order; gives 1, as a count. */
      async function goodRequest(connection: Connection): Promise<number> {
        const answer = await connection.exchange({ target: '/things/good', headers: asReader });
        assert.equal(answer.status, 200, answer.text());
        return 1;
      }

      async function assertRecorded(
        row: Row,
        before: Awaited<ReturnType<GatewayProcess['metrics']>>,
        requestId: string,
        others: number,
      ): Promise<void> {
        const reason = row.reason ?? row.code;
        await eventually(async () => {
          const now = await gateway.metrics();
          const grown = (name: string, labels: Record<string, string> = {}): number =>
            now.sum(name, labels) - before.sum(name, labels);
          // The connection whose headers stopped coming gets its answer at some time of its own.
          const timedOut = grown('portcullis_decisions_total', { reason: 'request_timeout' });
          assert.equal(grown('portcullis_decisions_total') - timedOut, 1 + others, 'decided exactly once');
          assert.equal(grown('portcullis_requests_total', { status: String(row.status) }), 1, 'counted exactly once');
          if (!row.forwarding) {
            assert.equal(grown('portcullis_decisions_total', { outcome: 'denied', reason }), 1, `counted as ${reason}`);
          }
        });
        await gateway.logLine((line) => line['requestId'] === requestId);
        const lines = gateway.log.filter((line) => line['requestId'] === requestId);
        assert.equal(lines.length, 1, 'logged exactly once');
        assert.equal(lines[0]?.['reason'], reason);
        assert.equal(lines[0]?.['status'], row.status);
        if (!row.forwarding) assert.equal(lines[0]?.['outcome'], 'denied');
      }

      test('401 key_invalid: the body is the same for every cause', async () => {
        const bodies = new Set<string>();
        const heads = new Set<string>();
        for (const row of flaws) {
          const answer = await send(gateway.proxyPort, row.request());
          const requestId = answer.json()['requestId'] as string;
          bodies.add(answer.text().replace(requestId, 'REQUEST-ID'));
          heads.add(
            JSON.stringify(answer.headers)
              .replaceAll(requestId, 'REQUEST-ID')
              .replace(/"Date","[^"]*"/i, ''),
          );
        }
        assert.equal(bodies.size, 1, [...bodies].join('\n'));
        assert.equal(heads.size, 1, [...heads].join('\n'));
      });

      test('408 request_timeout: a body that stops coming is given up, and the connection with it', async () => {
        const connection = await Connection.open(gateway.proxyPort);
        try {
          connection.write(
            `PUT /impatient/1 HTTP/1.1\r\nHost: gateway.test\r\nX-Api-Key: ${reader}\r\nContent-Length: 9\r\n\r\nx`,
          );
          const answer = await connection.response();
          const requestId = assertProblem(answer, 408, 'request_timeout');
          assert.equal(answer.header('connection')?.toLowerCase(), 'close');
          await inTime(connection.closed, 'the end of the connection');
          const line = await gateway.logLine((each) => each['requestId'] === requestId);
          assert.equal(line['reason'], 'request_timeout');
        } finally {
          connection.destroy();
        }
      });

      test('408 request_timeout: headers that stop coming are given up, and the connection with it', async () => {
        const answer = await slow.response({ withinMs: 20_000 });
        const requestId = assertProblem(answer, 408, 'request_timeout');
        assert.equal(answer.header('connection')?.toLowerCase(), 'close');
        await inTime(slow.closed, 'the end of the connection');
        const line = await gateway.logLine((each) => each['requestId'] === requestId);
        assert.equal(line['reason'], 'request_timeout');
      });

      test('each answer is logged on one JSON line of standard output, which has nothing else', () => {
        assert.deepEqual(gateway.stray, []);
      });
    });
  }
});

let strangers = 0;
function strangerAddress(): string {
  return `198.51.100.${(strangers = (strangers % 60) + 1)}`;
}

function assertAnswer(row: Row, answer: Response): string {
  const requestId = assertProblem(answer, row.status, row.code, row.members);
  for (const [name, wanted] of Object.entries(row.headers ?? {})) {
    const value = answer.header(name) ?? '(none)';
    if (typeof wanted === 'string') assert.equal(value, wanted, name);
    else assert.match(value, wanted, name);
  }
  const rateLimit = /;t=(\d+)/.exec(answer.header('ratelimit') ?? '');
  if (rateLimit)
    assert.ok(Number(answer.header('retry-after')) >= Number(rateLimit[1]), 'Retry-After is never before t');
  return requestId;
}

async function settings(scene: Scene, app: Upstream): Promise<Record<string, unknown>> {
  const closed = `http://127.0.0.1:${await freePort()}`;
  const garbage = await startSocketServer((socket) =>
    socket.once('data', () => socket.end('this is not HTTP\r\n\r\n')),
  );
  const reset = await startSocketServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const silent = await startSocketServer((socket) => socket.resume());
  for (const server of [garbage, reset, silent]) scene.onClose(() => server.close());
  const health = { path: '/healthz', every: '1s', unhealthyAfter: 1, healthyAfter: 1 };
  const broken = { refused: closed, reset: reset.url, garbage: garbage.url };
  const upgrade = ['websocket'];
  return {
    trustedProxies: ['127.0.0.1/32'],
    upstreams: {
      app: { targets: [app.url] },
      impatient: { targets: [app.url], idleTimeout: '300ms' },
      silent: { targets: [silent.url], responseTimeout: '200ms' },
      sick: { targets: [closed], health },
      ...Object.fromEntries(Object.entries(broken).map(([name, target]) => [name, { targets: [target] }])),
    },
    plans: { single: { concurrency: 1 } },
    routes: {
      things: {
        path: '/things/**',
        methods: ['GET', 'HEAD', 'PUT'],
        upstream: 'app',
        scopes: ['things:read'],
        maxBody: '1KiB',
        upgrade,
      },
      plain: { path: '/plain/**', upstream: 'app' },
      written: { path: '/written/**', methods: ['POST', 'PUT'], upstream: 'app', upgrade },
      fenced: { path: '/fenced/**', upstream: 'app', networks: { allow: ['203.0.113.0/24'], deny: [] }, upgrade },
      limited: {
        path: '/limited/**',
        upstream: 'app',
        limits: { 'per-key': { requests: 2, per: '1d', by: 'key' } },
        upgrade,
      },
      impatient: { path: '/impatient/**', upstream: 'impatient' },
      ...Object.fromEntries(
        [...Object.keys(broken), 'silent', 'sick'].map((name) => [
          name,
          { path: `/${name}/**`, upstream: name, upgrade },
        ]),
      ),
    },
  };
}
