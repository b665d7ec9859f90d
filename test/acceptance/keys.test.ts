// SPEC section 3 and the `keys` commands of section 1: every change to a key made at the command line is seen by two
// gateways on one store within 1 s.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { send, type Response } from '../support/acceptance-http.ts';
import { checksum, KEY_PATTERN } from '../support/acceptance-key-text.ts';
import { assertProblem } from '../support/acceptance-problem.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { STORE_KINDS } from '../support/acceptance-store.ts';
import { storedBytes, rewriteStored } from '../support/acceptance-store-bytes.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { eventually } from '../support/acceptance-wait.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

/** How soon running gateways see a change, in ms. */
const SEEN_WITHIN_MS = 1000;

// Both stores at the same time: much of it is waiting for processes.
describe('keys', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    describe(`keys on ${kind}, seen from two gateways on one store`, { concurrency: false }, () => {
      let scene: Scene;
      let app: Upstream;
      let gateways: GatewayProcess[];
      let first: GatewayProcess;
      /** Every secret that was minted or imported here: none may show anywhere but at its minting. */
      const secrets: string[] = [];

      before(async () => {
        scene = await Scene.open(kind);
        app = await scene.upstream();
        const settings = {
          upstreams: { app: { targets: [app.url] } },
          roles: { reader: ['things:read'] },
          plans: { small: { limits: { few: { requests: 50, per: '1d' } } } },
          // Keys that a test ends on purpose are failed attempts; these tests are not about the guard.
          guard: { failures: 100_000 },
          routes: {
            read: { path: '/read', upstream: 'app', scopes: ['things:read'] },
            write: { path: '/write', upstream: 'app', scopes: ['things:write'] },
            admin: { path: '/admin', upstream: 'app', scopes: ['admin:write'] },
          },
          keys: { 'billing-job': { owner: 'acme', roles: ['reader'], plan: 'small', expires: '2099-12-31' } },
        };
        gateways = await Promise.all([scene.gateway(settings), scene.gateway(settings)]);
        first = gateways[0] as GatewayProcess;
        const key = { owner: 'acme', scopes: ['things:read'] };
        const ids = ['spun', 'turned', 'switched', 'ended', 'narrowed'];
        await scene.importKeys(first, [
          ...ids.map((id) => ({ ...key, id, secret: imported(id) })),
          { ...key, id: 'tampered', secret: imported('tampered'), scopes: ['things:zero'] },
          { ...key, id: 'inside', secret: imported('inside'), networks: { allow: ['127.0.0.0/8'], deny: [] } },
          { ...key, id: 'outside', secret: imported('outside'), networks: { allow: ['203.0.113.0/24'], deny: [] } },
        ]);
      });
      after(() => scene.close());

      async function create(...args: string[]): Promise<{ id: string; secret: string }> {
        const { id, secret } = await scene.json(first, 'keys', 'create', ...args);
        assert.ok(typeof id === 'string' && typeof secret === 'string', 'id and secret');
        secrets.push(secret);
        return { id, secret };
      }

      /** The secret under which the keys were imported that these tests then change. */
      const imported = (id: string): string => {
        const secret = `an-imported-key-of-${id}-on-${kind}`;
        if (!secrets.includes(secret)) secrets.push(secret);
        return secret;
      };

      const ask = (gateway: GatewayProcess, secret: string, target = '/read'): Promise<Response> =>
        send(gateway.proxyPort, { target, headers: { 'X-Api-Key': secret } });

      /** Both gateways answer so within a second from now, and go on doing so. */
      async function seen(secret: string, status: number, target = '/read', withinMs = SEEN_WITHIN_MS): Promise<void> {
        const check = async (gateway: GatewayProcess): Promise<void> => {
          await eventually(
            async () => {
              const answer = await ask(gateway, secret, target);
              assert.equal(answer.status, status, answer.text());
            },
            { withinMs, everyMs: withinMs > SEEN_WITHIN_MS ? 50 : 15 },
          );
          assert.equal((await ask(gateway, secret, target)).status, status, 'still so');
        };
        await Promise.all(gateways.map(check));
      }

      const mint = ['--owner', 'acme', '--scope', 'things:read'];

      test('create: a minted key works within 1 s; its text is PREFIX_ + 43 base62 characters + 6 of their CRC-32', async () => {
        const { id, secret } = await create(...mint, '--name', 'first', '--meta', 'team=blue');
        await seen(secret, 200);
        assert.match(secret, KEY_PATTERN);
        assert.equal(secret.length, 'ptc_live_'.length + 49);
        assert.equal(secret.slice(-6), checksum(secret.slice(0, -6)));
        const shown = await scene.json(first, 'keys', 'show', id);
        assert.equal(shown['id'], id);
        assert.equal(shown['state'], 'active');
        assert.equal(shown['owner'], 'acme');
        assert.deepEqual(shown['scopes'], ['things:read']);
      });

      test('the secret is printed once: neither list nor show has it, lists show ptc_live_… + the last 4 characters', async () => {
        const { stdout } = await scene.run(first, 'keys', 'create', ...mint);
        const secret = KEY_PATTERN.exec(stdout)?.[0] ?? '';
        assert.notEqual(secret, '', stdout);
        secrets.push(secret);
        assert.equal(stdout.split(secret).length, 2, 'once');
        await seen(secret, 200);
        const [list, asJson] = await Promise.all([
          scene.run(first, 'keys', 'list'),
          scene.run(first, 'keys', 'list', '--json'),
        ]);
        for (const text of [list.stdout, asJson.stdout]) {
          assert.doesNotMatch(text, KEY_PATTERN);
          assert.ok(text.includes(`ptc_live_…${secret.slice(-4)}`), text);
        }
      });

      async function rotate(id: string, grace: string): Promise<string> {
        const rotated = await scene.json(first, 'keys', 'rotate', id, '--grace', grace);
        assert.equal(rotated['id'], id, 'a stable id');
        const secret = rotated['secret'] as string;
        assert.match(secret, KEY_PATTERN);
        secrets.push(secret);
        return secret;
      }

      test('rotate --grace: both secrets work, then one, under the same id', async () => {
        const old = imported('spun');
        await seen(old, 200);
        const graceEndsAfter = performance.now() + 3000;
        const next = await rotate('spun', '3s');
        await seen(next, 200);
        await seen(old, 200);
        await seen(old, 401, '/read', 3000 + SEEN_WITHIN_MS);
        assert.ok(performance.now() >= graceEndsAfter, 'the old one worked until its grace was over');
        await seen(next, 200);
      });

      test('rotate --grace 0 ends the old secret at once', async () => {
        await seen(imported('turned'), 200);
        const next = await rotate('turned', '0');
        await seen(imported('turned'), 401);
        await seen(next, 200);
      });

      test('expire: a key is refused from its expiry on, and so is the secret before its rotation, whatever its grace', async () => {
        const old = await create(...mint, '--expires', '6s');
        const next = await rotate(old.id, '24h');
        await seen(next, 200);
        await seen(old.secret, 200);
        await seen(old.secret, 401, '/read', 6000 + SEEN_WITHIN_MS);
        await seen(next, 401);
        assert.equal((await scene.json(first, 'keys', 'show', old.id))['state'], 'expired');
      });

      test('disable and enable', async () => {
        const secret = imported('switched');
        await seen(secret, 200);
        assert.equal((await scene.json(first, 'keys', 'disable', 'switched'))['state'], 'disabled');
        await seen(secret, 401);
        await scene.run(first, 'keys', 'enable', 'switched');
        await seen(secret, 200);
      });

      test('revoke is final', async () => {
        const secret = imported('ended');
        await seen(secret, 200);
        assert.equal((await scene.json(first, 'keys', 'revoke', 'ended'))['state'], 'revoked');
        await seen(secret, 401);
        await assert.rejects(scene.run(first, 'keys', 'enable', 'ended'), /exited with 1/);
        await seen(secret, 401);
      });

      test('import of plaintext and of sha256: keys that users already hold keep working', async () => {
        const plaintext = `legacy:key/of+${kind} "opaque"==`;
        const hashed = 'sk-2f1d7c0a9e8b4c5d6f7a';
        secrets.push(plaintext, hashed);
        await scene.importKeys(first, [
          { id: 'legacy-1', owner: 'acme', secret: plaintext, scopes: ['things:read'] },
          {
            id: 'legacy-2',
            owner: 'acme',
            sha256: createHash('sha256').update(hashed).digest('hex'),
            roles: ['reader'],
            networks: { allow: ['127.0.0.0/8'], deny: [] },
            plan: 'small',
            expires: '2099-12-31',
          },
        ]);
        await seen(plaintext, 200);
        await seen(hashed, 200);
        const answer = await ask(first, hashed);
        assert.match(answer.header('ratelimit') ?? '', /^"few";r=\d+;t=\d+$/);
      });

      test('import refuses text shorter than 16 or longer than 512 bytes', async () => {
        const odd = ['fifteen bytes..', 'x'.repeat(513)].map((secret) => ({ owner: 'acme', secret }));
        await assert.rejects(scene.importKeys(first, odd), /exited with [12][\s\S]*1\b[\s\S]*2\b/);
      });

      test('a declared key takes its grants from the configuration', async () => {
        const { id, secret } = await create('billing-job');
        assert.equal(id, 'billing-job');
        await seen(secret, 200);
        await seen(secret, 403, '/write');
        assert.match((await ask(first, secret)).header('ratelimit-policy') ?? '', /^"few";q=50;w=86400$/);
        const line = await first.logLine((each) => each['key'] === 'billing-job');
        assert.equal(line['owner'], 'acme');
      });

      test('update: narrowed and widened scopes are seen within 1 s', async () => {
        const secret = imported('narrowed');
        await seen(secret, 403, '/write');
        await scene.run(first, 'keys', 'update', 'narrowed', '--scope', 'things:read', '--scope', 'things:write');
        await seen(secret, 200, '/write');
        await scene.run(first, 'keys', 'update', 'narrowed', '--scope', 'things:write');
        await seen(secret, 403, '/read');
        const answer = await ask(first, secret);
        assertProblem(answer, 403, 'scope_missing', { missing: ['things:read'] });
      });

      test("networks of a key: what `--allow` and `--deny` say holds for the client's address", async () => {
        const denied = await create(...mint, '--allow', '127.0.0.0/8', '--deny', '127.0.0.1/32');
        await seen(imported('inside'), 200);
        await seen(imported('outside'), 403);
        await seen(denied.secret, 403);
        assertProblem(await ask(first, denied.secret), 403, 'network_denied');
      });

      test('a record that was changed without the pepper counts as unknown', async () => {
        const secret = imported('tampered');
        const changed = await rewriteStored(scene.store, 'things:zero', 'admin:write');
        assert.ok(changed > 0, 'the scope was found in the store');
        for (const gateway of gateways) {
          const answer = await ask(gateway, secret, '/admin');
          assertProblem(answer, 401, 'key_invalid');
          const line = await gateway.logLine((each) => each['requestId'] === answer.json()['requestId']);
          assert.equal(line['reason'], 'unknown');
        }
        await rewriteStored(scene.store, 'admin:write', 'things:zero');
      });

      test('nothing logs, prints, labels, stores or forwards a key', async () => {
        assert.ok(secrets.length > 10);
        const metrics = await Promise.all(gateways.map((gateway) => gateway.metrics()));
        const texts: Record<string, string> = {
          'output of the gateways': gateways.map((gateway) => gateway.output()).join(''),
          metrics: metrics.map((each) => each.text).join(''),
          store: (await storedBytes(scene.store)).toString('latin1'),
          upstream: JSON.stringify(app.seen.map((request) => [request.target, request.headers])),
        };
        assert.ok((texts['store'] as string).includes('things:read'), 'the store was read');
        for (const [where, text] of Object.entries(texts)) {
          for (const secret of secrets) assert.ok(!text.includes(secret), `a key is in the ${where}`);
        }
      });
    });

    test(`previousPeppers on ${kind}: still accepted, rehashed at first use`, async () => {
      const scene = await Scene.open(kind);
      try {
        const app = await scene.upstream();
        const env = {
          OLD_PEPPER: 'the old pepper, at least 32 bytes of it',
          NEW_PEPPER: 'the new pepper, at least 32 bytes of it',
        };
        const base = {
          // However long it takes here: a move is given up with the store, and made at the next use.
          store: { url: scene.store.url, timeout: '10s' },
          upstreams: { app: { targets: [app.url] } },
          routes: { all: { path: '/**', upstream: 'app' } },
        };
        const secret = 'an-imported-key-of-old-times';
        const status = async (
          credentials: object,
          prepare?: (gateway: GatewayProcess) => Promise<void>,
        ): Promise<number> => {
          const gateway = await scene.gateway({ ...base, credentials }, { env });
          await prepare?.(gateway);
          const answer = await send(gateway.proxyPort, { target: '/x', headers: { 'X-Api-Key': secret } });
          await gateway.stop();
          return answer.status;
        };
        // The command line gets the pepper from the same place as the gateway.
        const importOld = async (gateway: GatewayProcess): Promise<void> => {
          await scene.importKeys(gateway, [{ id: 'old', owner: 'acme', secret }], env);
        };
        assert.equal(await status({ pepper: 'env:OLD_PEPPER' }, importOld), 200);
        assert.equal(await status({ pepper: 'env:NEW_PEPPER', previousPeppers: ['env:OLD_PEPPER'] }), 200);
        assert.equal(await status({ pepper: 'env:NEW_PEPPER' }), 200, 'its first use rehashed it');
      } finally {
        await scene.close();
      }
    });
  }
});
