// SPEC section 2, Reload: a changed file is read, validated and built whole, then swapped in one step; a bad one is
// refused, logged and counted, and the old one stays.
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { Connection, send } from '../support/acceptance-http.ts';
import { freePort } from '../support/acceptance-ports.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess, LogLine, Settings } from '../support/gateway-process.ts';

/** How soon a saved file is in force, in ms. */
const IN_FORCE_WITHIN_MS = 2000;
/** Between two requests of a client under load, ms: hundreds a second, and a processor left for what reloads. */
const LOAD_PAUSE_MS = 3;

// Both stores at the same time: much of it is waiting for processes.
describe('reload', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`reload on ${kind}`, { concurrency: false }, () => {
      let scene: Scene;
      let app: Upstream;
      let gateway: GatewayProcess;
      let secret: string;

      before(async () => {
        scene = await Scene.open(kind);
        app = await scene.upstream();
        gateway = await scene.gateway(settings(['things:read']));
        ({ secret } = (await scene.json(gateway, 'keys', 'create', 'job')) as { secret: string });
        await eventually(() => assertStatus('/read', 200));
      });
      after(() => scene.close());

      function settings(scopes: readonly string[], extra: Settings = {}): Settings {
        return {
          ...scene.settings({}),
          upstreams: { app: { targets: [app.url] } },
          routes: {
            read: { path: '/read', upstream: 'app', scopes: ['things:read'] },
            write: { path: '/write', upstream: 'app', scopes: ['things:write'] },
          },
          keys: { job: { owner: 'acme', scopes } },
          ...extra,
        };
      }

      async function assertStatus(target: string, status: number, port = gateway.proxyPort): Promise<void> {
        const answer = await send(port, { target, headers: { 'X-Api-Key': secret } });
        assert.equal(answer.status, status, answer.text());
      }

      const inForce = (target: string, status: number): Promise<void> =>
        eventually(() => assertStatus(target, status), { withinMs: IN_FORCE_WITHIN_MS });

      /** A log line that came after `since` lines and speaks of `wanted`. */
      const logged = (since: number, wanted: RegExp): Promise<LogLine> =>
        gateway.logLine((line) => gateway.log.indexOf(line) >= since && wanted.test(JSON.stringify(line)));

      test("a declared key's scope changed in the file takes effect on save", async () => {
        await inForce('/write', 403);
        await gateway.reconfigure(settings(['things:read', 'things:write']));
        await inForce('/write', 200);
        await gateway.reconfigure(settings(['things:write']));
        await inForce('/read', 403);
        // Saved in place, as some editors do.
        const text = stringify({ version: 1, listen: listenOf(gateway), ...settings(['things:read']) });
        await writeFile(gateway.configFile, text);
        await inForce('/read', 200);
        await inForce('/write', 403);
      });

      test('a declared key that is no longer in the configuration is denied', async () => {
        await gateway.reconfigure(settings([], { keys: {} }));
        await inForce('/read', 401);
        const refused = await send(gateway.proxyPort, { target: '/read', headers: { 'X-Api-Key': secret } });
        const line = await gateway.logLine((each) => each['requestId'] === refused.json()['requestId']);
        assert.equal(line['reason'], 'undeclared');
        await gateway.reconfigure(settings(['things:read']));
        await inForce('/read', 200);
      });

      test('a broken file is refused with its line; the old configuration goes on with 0 failed requests under load', async () => {
        const load = underLoad();
        const good = await readFile(gateway.configFile, 'utf8');
        const breakages: readonly (readonly [name: string, text: string, wanted: RegExp])[] = [
          [
            'an unknown field',
            `${good}\nnonsense: true\n`,
            new RegExp(`:${good.split('\n').length + 1}:\\d+ .*nonsense`),
          ],
          ['no YAML', `${good}\n  }{: [\n`, /\.yaml:\d+:\d+/],
          ['an empty file', '', /\.yaml:\d+:\d+/],
          ['an unknown upstream', good.replace('upstream: app', 'upstream: ap'), /\.yaml:\d+:\d+ .*upstream.*app/],
        ];
        for (const [name, text, wanted] of breakages) {
          const since = gateway.log.length;
          await writeFile(gateway.configFile, text);
          const line = await logged(since, wanted).catch((error: Error) => assert.fail(`${name}: ${error.message}`));
          assert.match(String(line['level']), /^(error|50)$/, name);
          const metrics = await gateway.metrics();
          assert.equal(metrics.sum('portcullis_config_last_reload_successful'), 0, name);
          await assertStatus('/read', 200);
          await assertStatus('/write', 403);
        }
        await gateway.reconfigure(settings(['things:read', 'things:write']));
        await inForce('/write', 200);
        assert.equal((await gateway.metrics()).sum('portcullis_config_last_reload_successful'), 1);
        const { answered, failed } = await load.stop();
        assert.ok(answered > 50, `${answered} requests`);
        assert.deepEqual(failed, []);
      });

      test('10 reloads under load: 0 failed requests', async () => {
        const load = underLoad();
        for (let at = 0; at < 10; at++) {
          const granted = at % 2 === 0;
          await gateway.reconfigure(settings(granted ? ['things:read'] : ['things:read', 'things:write']));
          await inForce('/write', granted ? 403 : 200);
        }
        const { answered, failed } = await load.stop();
        assert.ok(answered > 50, `${answered} requests`);
        assert.deepEqual(failed, []);
      });

      test('a request keeps the configuration it began with', async () => {
        const held = send(gateway.proxyPort, { target: '/held/hold', headers: { 'X-Api-Key': secret } });
        void held.catch(() => {});
        const withHeld = settings(['things:read'], { routes: { held: { path: '/held/**', upstream: 'app' } } });
        assert.equal((await held).status, 404);
        await gateway.reconfigure(withHeld);
        await inForce('/held/x', 200);
        const inFlight = send(gateway.proxyPort, { target: '/held/hold', headers: { 'X-Api-Key': secret } });
        await eventually(() => assert.equal(app.held.length, 1));
        await gateway.reconfigure(settings(['things:read']));
        await inForce('/held/x', 404);
        app.release();
        assert.equal((await inFlight).status, 200);
      });

      test('SIGHUP reads the file again', async () => {
        const stamp = async (): Promise<number> =>
          (await gateway.metrics()).sum('portcullis_config_last_reload_success_timestamp_seconds');
        const before = await stamp();
        await eventually(
          async () => {
            gateway.signal('SIGHUP');
            assert.ok((await stamp()) > before);
          },
          { everyMs: 200 },
        );
        await assertStatus('/read', 200);
      });

      test('the configuration in force is told by its hash', async () => {
        const hash = async (): Promise<string> => {
          const info = (await gateway.metrics()).samples.filter(({ name }) => name === 'portcullis_config_info');
          assert.equal(info.length, 1);
          return info[0]?.labels['hash'] as string;
        };
        const before = await hash();
        assert.match(before, /^[0-9a-f]{8,}$/);
        await gateway.reconfigure(settings(['things:read', 'things:other']));
        await eventually(async () => assert.notEqual(await hash(), before));
        await gateway.reconfigure(settings(['things:read']));
        await eventually(async () => assert.equal(await hash(), before));
      });

      test('`listen`, `workers` and `store` need a restart; a reload that changes them says so', async () => {
        for (const [field, extra] of [
          ['listen', { listen: { ...listenOf(gateway), proxy: `127.0.0.1:${await freePort()}` } }],
          ['store', { store: { url: scene.store.url, prefix: 'another' } }],
        ] as const) {
          const since = gateway.log.length;
          await gateway.reconfigure(settings(['things:read'], extra));
          const line = await logged(since, /restart/i);
          assert.match(JSON.stringify(line), new RegExp(field));
          await assertStatus('/read', 200);
          const changedBack = gateway.log.length;
          await gateway.reconfigure(settings(['things:read']));
          await logged(changedBack, /configuration reloaded/);
          // What would be said stands right behind that.
          await gateway.metrics();
          assert.doesNotMatch(JSON.stringify(gateway.log.slice(changedBack)), /restart/i);
        }
        await inForce('/read', 200);
      });

      /** Requests one after the other over a few kept connections, until stopped. */
      function underLoad(): { stop(): Promise<{ answered: number; failed: unknown[] }> } {
        let going = true;
        let answered = 0;
        const failed: unknown[] = [];
        const run = async (): Promise<void> => {
          let connection = await Connection.open(gateway.proxyPort);
          while (going) {
            try {
              const answer = await connection.exchange({ target: '/read', headers: { 'X-Api-Key': secret } });
              if (answer.status !== 200) failed.push(answer.text());
              answered++;
            } catch (error) {
              failed.push(error);
              connection = await Connection.open(gateway.proxyPort);
            }
            await pause(LOAD_PAUSE_MS);
          }
          connection.destroy();
        };
        const runs = [run(), run()];
        return {
          stop: async () => {
            going = false;
            await Promise.all(runs);
            return { answered, failed };
          },
        };
      }
    });
  }
});

test('a symlink swap is a change of the file, as Kubernetes does it', async () => {
  const scene = await Scene.open('sqlite');
  try {
    const app = await scene.upstream();
    const ports = { proxyPort: await freePort(), opsPort: await freePort() };
    const mount = join(scene.directory, 'mount');
    const version = async (name: string, path: string): Promise<void> => {
      await mkdir(join(mount, name), { recursive: true });
      const routes = { only: { path, upstream: 'app', access: 'public' } };
      const upstreams = { app: { targets: [app.url] } };
      const text = stringify({ version: 1, listen: listenOf(ports), ...scene.settings({ upstreams, routes }) });
      await writeFile(join(mount, name, 'portcullis.yaml'), text);
      await symlink(name, join(mount, '..data_tmp'));
      await rename(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    await version('..2026_01', '/one');
    const file = join(mount, 'portcullis.yaml');
    await symlink(join('..data', 'portcullis.yaml'), file);
    const gateway = await scene.gateway({}, { existing: { file, ...ports } });
    const status = async (target: string): Promise<number> => (await send(gateway.proxyPort, { target })).status;
    assert.equal(await status('/one'), 200);
    for (const [name, path, gone] of [
      ['..2026_02', '/two', '/one'],
      ['..2026_03', '/three', '/two'],
    ] as const) {
      await version(name, path);
      await eventually(async () => assert.equal(await status(path), 200), { withinMs: IN_FORCE_WITHIN_MS });
      assert.equal(await status(gone), 404);
    }
  } finally {
    await scene.close();
  }
});

function listenOf(ports: { readonly proxyPort: number; readonly opsPort: number }): { proxy: string; ops: string } {
  return { proxy: `127.0.0.1:${ports.proxyPort}`, ops: `127.0.0.1:${ports.opsPort}` };
}
