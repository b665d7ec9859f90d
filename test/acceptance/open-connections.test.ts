// What is open obeys: a WebSocket or a stream ends when a request for it would be denied, and only then; on every
// gateway, in every worker, on both stores.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { openManagement } from '../../src/compose/management.ts';
import { environment } from '../support/acceptance-cli.ts';
import { Connection } from '../support/acceptance-http.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { eventually, inTime } from '../support/acceptance-wait.ts';
import type { GatewayProcess, LogLine, Settings } from '../support/gateway-process.ts';
import { type OpenClient, openSocket, openStream } from '../support/open-clients.ts';
import { type OpenUpstream, startOpenUpstream } from '../support/open-upstream.ts';

type Keys = Awaited<ReturnType<typeof openManagement>>['keys'];

/** Time in which what must end has to, on a machine that does much else, ms. */
const SOON_MS = 5_000;
const FAR = Date.now() + 3_600_000;

for (const kind of STORE_KINDS)
  describe(`open connections on ${kind}`, () => {
    let scene: Scene;
    let app: OpenUpstream;
    let gateways: GatewayProcess[];
    let keys: Keys;
    const opened: OpenClient[] = [];

    async function keep<T extends OpenClient>(opening: Promise<T>): Promise<T> {
      const client = await opening;
      opened.push(client);
      return client;
    }

    function settings(workers: number, own: Settings = {}, routes: Settings = {}): Settings {
      const route = { upstream: 'app', upgrade: ['websocket'] };
      return scene.settings({
        workers,
        store: { url: scene.store.url, maxStaleness: '1s', timeout: '2s' },
        upstreams: { app: { targets: [app.url] } },
        roles: { reader: ['x'] },
        shutdown: { timeout: '2s' },
        plans: { free: { limits: { all: { requests: 100_000, per: '1h' } } } },
        keys: { declared: { scopes: ['x'] } },
        routes: {
          any: { ...route, path: '/**', scopes: ['x'] },
          observed: { ...route, path: '/observed', scopes: ['x'], mode: 'observe' },
          open: { ...route, path: '/open', access: 'public' },
          ...routes,
        },
        ...own,
      });
    }

    before(async () => {
      scene = await Scene.open(kind);
      app = await startOpenUpstream();
      scene.onClose(() => app.close());
      gateways = await Promise.all([scene.gateway(settings(1)), scene.gateway(settings(2))]);
      const management = await openManagement({
        file: gateways[0]!.configFile,
        env: environment(),
        warn: () => undefined,
      });
      scene.onClose(() => management.close());
      ({ keys } = management);
    });
    after(() => scene.close());
    afterEach(() => {
      for (const client of opened.splice(0)) client.close();
    });

    /** A WebSocket and a stream through the gateway of one process, and several through that of two workers. */
    async function openAll(key: string): Promise<OpenClient[]> {
      const ports = [gateways[0]!, gateways[1]!, gateways[1]!, gateways[1]!].map(({ proxyPort }) => proxyPort);
      return await Promise.all(
        ports.flatMap((port) => [keep(openSocket(port, '/socket', key)), keep(openStream(port, '/stream', key))]),
      );
    }

    async function assertEnded(clients: readonly OpenClient[]): Promise<void> {
      const ended = await inTime(Promise.all(clients.map((client) => client.ended)), 'the end of all', SOON_MS);
      assert.deepEqual(new Set(ended.map(({ how }) => how)), new Set([1008, 'cut']));
    }

    /** Once another key's connections have been ended for a later change, this one's were looked at too. */
    async function assertStaysOpen(clients: readonly OpenClient[]): Promise<void> {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const later = await openAll(secret);
      await keys.revoke(record.id);
      await assertEnded(later);
      for (const client of clients) assert.ok(client.isOpen(), 'a connection was closed');
    }

    function linesFor(id: string): LogLine[] {
      return gateways.flatMap(({ log }) => log.filter((line) => line['msg'] === 'request' && line['key'] === id));
    }

    const ends: readonly [what: string, reason: string, change: (id: string, keys: Keys) => Promise<unknown>][] = [
      ['revoked', 'revoked', (id, by) => by.revoke(id)],
      ['disabled', 'disabled', (id, by) => by.disable(id)],
      ['past its time', 'expired', (id, by) => by.update(id, { expiresAt: Date.now() + 700 })],
      ['without its scope', 'scope_missing', (id, by) => by.update(id, { scopes: ['y'] })],
      ['without its role', 'scope_missing', (id, by) => by.update(id, { roles: [] })],
      ['bound to other networks', 'network_denied', (id, by) => by.update(id, { allow: ['203.0.113.0/24'] })],
      ['denied this network', 'network_denied', (id, by) => by.update(id, { deny: ['127.0.0.0/8'] })],
      ['rotated at once', 'unknown', (id, by) => by.rotate(id, { graceMs: 0 })],
      ['rotated and its grace over', 'unknown', (id, by) => by.rotate(id, { graceMs: 700 })],
    ];
    for (const [what, reason, change] of ends)
      test(`a key that is ${what} has no connection left, and the log says why`, async () => {
        const hasRole = what.includes('role');
        const grants = { ...(hasRole ? { roles: ['reader'] } : { scopes: ['x'] }), expiresAt: FAR };
        const { record, secret } = await keys.create({ grants });
        const clients = await openAll(secret);
        await change(record.id, keys);
        await assertEnded(clients);
        await eventually(() => assert.equal(app.connections.size, 0, 'upstream connections'));
        await eventually(() => assert.equal(linesFor(record.id).length, clients.length));
        for (const line of linesFor(record.id)) {
          assert.equal(line['outcome'], 'denied');
          assert.equal(line['reason'], reason);
          assert.equal(line['status'], line['path'] === '/stream' ? 200 : 101);
          assert.match(String(line['detail']), /^ended while open/);
        }
      });

    test('a change that takes nothing from a connection leaves it open', async () => {
      const { record, secret } = await keys.create({ grants: { scopes: ['x', 'y'] } });
      const clients = await openAll(secret);
      await keys.update(record.id, { name: 'renamed', plan: 'free' });
      await keys.update(record.id, { scopes: ['x'], deny: ['203.0.113.0/24'] });
      await keys.update(record.id, { expiresAt: FAR });
      await assertStaysOpen(clients);
    });

    test('after a rotation the new secret’s connections stay, and the old one’s while its grace lasts', async () => {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const old = await openAll(secret);
      const { secret: next } = await keys.rotate(record.id, { graceMs: 60_000 });
      const young = await openAll(next);
      await assertStaysOpen([]);
      assert.ok([...old, ...young].every((client) => client.isOpen()));
      await keys.rotate(record.id, { graceMs: 60_000 });
      await assertEnded(old);
      await assertStaysOpen(young);
    });

    test('on a route that observes, rights may go but the key may not', async () => {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const { proxyPort } = gateways[0]!;
      const client = await keep(openSocket(proxyPort, '/observed', secret));
      await keys.update(record.id, { scopes: [], allow: ['203.0.113.0/24'] });
      await assertStaysOpen([]);
      await client.echo();
      await keys.revoke(record.id);
      assert.equal((await inTime(client.ended, 'its end')).how, 1008);
    });

    test('a request that has no answer yet gets the usual one, and the upstream is let go', async () => {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const silent = await Connection.open(gateways[0]!.proxyPort);
      const upload = await Connection.open(gateways[1]!.proxyPort);
      const field = `Host: a\r\nX-Api-Key: ${secret}\r\n`;
      silent.write(Buffer.from(`GET /hold HTTP/1.1\r\n${field}\r\n`));
      upload.write(Buffer.from(`POST /hold HTTP/1.1\r\n${field}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`));
      await eventually(() => assert.equal(app.connections.size, 2));
      await keys.revoke(record.id);
      for (const connection of [silent, upload]) {
        const answer = await connection.response();
        assert.equal(answer.status, 401);
        assert.equal(answer.json()['code'], 'key_invalid');
      }
      await eventually(() => assert.equal(app.connections.size, 0));
      await inTime(upload.closed, 'the end of an upload');
      silent.destroy();
      await eventually(() => assert.equal(linesFor(record.id).length, 2));
      for (const line of linesFor(record.id))
        assert.deepEqual([line['status'], line['outcome'], line['reason']], [401, 'denied', 'revoked']);
      const bytesIn = linesFor(record.id).map((line) => line['bytesIn']);
      assert.deepEqual(new Set(bytesIn), new Set([0, 5]), 'what was read of the upload');
    });

    test('an answer that ends with its connection is cut by a reset, so that it does not look whole', async () => {
      const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
      const socket = connect(gateways[0]!.proxyPort, '127.0.0.1');
      const ended = once(socket, 'error');
      socket.write(`GET /stream HTTP/1.0\r\nHost: a\r\nX-Api-Key: ${secret}\r\n\r\n`);
      await inTime(once(socket, 'data'), 'the first bytes');
      await keys.revoke(record.id);
      const [error] = (await inTime(ended, 'the reset')) as [NodeJS.ErrnoException];
      assert.equal(error.code, 'ECONNRESET');
    });

    const reloads: readonly [what: string, reason: string, own: Settings, routes: Settings][] = [
      ['takes the scope from its role', 'scope_missing', { roles: { reader: ['z'] } }, {}],
      ['takes the role away', 'scope_missing', { roles: {} }, {}],
      ['no longer has its route', 'route_not_found', {}, { any: undefined }],
      ['asks for another scope', 'scope_missing', {}, { any: { scopes: ['z'] } }],
      ['allows other networks', 'network_denied', {}, { any: { networks: { allow: ['203.0.113.0/24'] } } }],
    ];
    // The store has no part in these.
    for (const [what, reason, own, routes] of kind === 'sqlite' ? reloads : [])
      test(`a configuration that ${what} ends what it no longer grants, and leaves public routes alone`, async () => {
        const { record, secret } = await keys.create({ grants: { roles: ['reader'] } });
        const clients = await openAll(secret);
        const visitors = await Promise.all(gateways.map(({ proxyPort }) => keep(openSocket(proxyPort, '/open', null))));
        const any = {
          upstream: 'app',
          upgrade: ['websocket'],
          path: '/**',
          scopes: ['x'],
          ...(routes['any'] as object),
        };
        const changed = 'any' in routes && routes['any'] === undefined ? { any: undefined } : { any };
        await Promise.all(gateways.map((gateway, at) => gateway.reconfigure(settings(at + 1, own, changed))));
        await assertEnded(clients);
        await eventually(() => assert.equal(linesFor(record.id).length, clients.length));
        assert.deepEqual(new Set(linesFor(record.id).map((line) => line['reason'])), new Set([reason]));
        for (const visitor of visitors) await visitor.echo();
        await Promise.all(gateways.map((gateway, at) => gateway.reconfigure(settings(at + 1))));
        await eventually(() => openAll(secret));
      });

    test('a route that no longer upgrades ends its WebSockets and no stream', async () => {
      const { secret } = await keys.create({ grants: { scopes: ['x'] } });
      const gateway = gateways[0]!;
      const { proxyPort } = gateway;
      const [socket, stream] = await Promise.all([
        keep(openSocket(proxyPort, '/socket', secret)),
        keep(openStream(proxyPort, '/stream', secret)),
      ]);
      await gateway.reconfigure(settings(1, {}, { any: { upstream: 'app', path: '/**', scopes: ['x'] } }));
      assert.equal((await inTime(socket.ended, 'its end')).how, 1008);
      assert.ok(stream.isOpen());
      await gateway.reconfigure(settings(1));
      await eventually(() => keep(openSocket(proxyPort, '/socket', secret)));
    });

    test('a declared key that is no longer declared has no connection left', async () => {
      const { record, secret } = await keys.create({ id: 'declared' });
      const clients = await openAll(secret);
      await Promise.all(gateways.map((gateway, at) => gateway.reconfigure(settings(at + 1, { keys: {} }))));
      await assertEnded(clients);
      await eventually(() => assert.equal(linesFor(record.id).length, clients.length));
      assert.deepEqual(new Set(linesFor(record.id).map((line) => line['reason'])), new Set(['undeclared']));
    });

    if (kind === 'redis')
      test('a store that falls silent ends nothing; once it is heard again, keys are obeyed again', async () => {
        const { record, secret } = await keys.create({ grants: { scopes: ['x'] } });
        const client = await keep(openSocket(gateways[0]!.proxyPort, '/socket', secret));
        scene.store.redis!.stall();
        await eventually(async () => {
          const refused = await openSocket(gateways[0]!.proxyPort, '/socket', secret).catch((error: Error) => error);
          if (refused instanceof Error) return assert.match(refused.message, /503/);
          refused.close();
          throw new Error('the key is still believed');
        });
        await client.echo();
        scene.store.redis!.resume();
        await eventually(() => keys.revoke(record.id));
        assert.equal((await inTime(client.ended, 'its end')).how, 1008);
      });
  });
