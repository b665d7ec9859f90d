// A store behind TLS: one Redis, one behind a Sentinel and a Cluster, with a certificate authority of one's own, as
// NODE_EXTRA_CA_CERTS gives it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../support/acceptance-wait.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { PRIMARY, startSentinel, type TestSentinel } from '../support/redis-sentinel.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

/** Opens the store of the first argument, asks it for an answer and prints what came of it. */
const PROGRAM = `
import { openStore } from ${JSON.stringify(new URL('../../src/stores/open.ts', import.meta.url).href)};
const told = [];
const store = await openStore({
  url: process.argv[1], prefix: 'tls', timeoutMs: 2000, clock: Date.now,
  observe() {}, warn: (message, fields) => told.push(fields?.error),
});
const outcome = await store.ping().then(() => 'answered', (fault) => fault.name);
await store.close();
console.log(outcome, told.join());
`;

/** Records that no peer sends in the clear: an alert that the authority is unknown, twice, and what is none at all. */
const ALERTS = `${'\x15\x03\x03\0\x02\x02\x30'.repeat(2)}garbage garbage`;

describe('a store behind TLS', { concurrency: true }, () => {
  let dir: TempDir;
  let redis: TestRedis;
  /** Another one: Sentinels of the same Redis find each other. */
  let alerted: TestRedis;
  let node: TestRedis;
  let sentinel: TestSentinel;
  let toRedis: TcpProxy;
  let toSentinel: TcpProxy;
  /** Knows that one by the proxy in front of it. */
  let alertedGuide: TestSentinel;

  before(async () => {
    dir = await makeTempDir();
    const [ca, caKey, cert, key] = ['ca.pem', 'ca.key', 'redis.pem', 'redis.key'].map((name) => dir.file(name));
    assert.ok(ca && caKey && cert && key);
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    await run('openssl', ['req', '-x509', ...curve, '-subj', '/CN=test authority', '-keyout', caKey, '-out', ca]);
    const address = ['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'];
    const issued = ['-CA', ca, '-CAkey', caKey, '-subj', '/CN=redis', '-keyout', key, '-out', cert];
    await run('openssl', ['req', '-x509', ...curve, ...issued, ...address]);
    const tls = { ca, cert, key };
    const clustered = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '500', 'tls-cluster': 'yes' };
    [redis, alerted, node] = await Promise.all([
      startRedis({ tls }),
      startRedis({ tls }),
      startRedis({ tls, config: clustered }),
    ]);
    sentinel = await startSentinel(redis, { quorum: 1, tls });
    [toRedis, toSentinel] = await Promise.all([TcpProxy.to(alerted.port), TcpProxy.to(sentinel.port)]);
    for (const proxy of [toRedis, toSentinel])
      proxy.treat((direction) => (direction === 'to client' ? { behind: ALERTS } : 'pass'));
    alertedGuide = await startSentinel(toRedis, { quorum: 1, tls });
    await tell(node, 'cluster', 'addslotsrange', '0', '16383');
    await eventually(async () => assert.match(String(await tell(node, 'cluster', 'info')), /cluster_state:ok/));
  });
  after(async () => {
    await Promise.all([sentinel.dispose(), alertedGuide.dispose()]);
    await Promise.all([toRedis.close(), toSentinel.close()]);
    await Promise.all([redis.dispose(), alerted.dispose(), node.dispose()]);
    await dir.remove();
  });

  const ask = async (url: string, env: NodeJS.ProcessEnv): Promise<string> => {
    const args = ['--input-type=module', '-e', PROGRAM, url];
    const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...env } });
    return stdout.trim();
  };
  const urls: Readonly<Record<string, () => string>> = {
    'one Redis': () => redis.url,
    'a Redis behind a Sentinel': () => `rediss+sentinel://127.0.0.1:${sentinel.port}/${PRIMARY}`,
    'a Cluster': () => `rediss+cluster://127.0.0.1:${node.port}`,
  };

  for (const [what, url] of Object.entries(urls)) {
    it(`${what}: works with an authority of its own`, async () => {
      assert.equal(await ask(url(), { NODE_EXTRA_CA_CERTS: dir.file('ca.pem') }), 'answered');
    });

    it(`${what}: a certificate of an unknown authority is not accepted, and the reason is told`, async () => {
      assert.match(await ask(url(), { NODE_EXTRA_CA_CERTS: '' }), /^StoreFault .*(?:certificate|issuer)/);
    });
  }

  const alertedUrls: Readonly<Record<string, (proxy: TcpProxy) => string>> = {
    'one Redis': ({ port }) => `rediss://127.0.0.1:${port}`,
    'a Redis behind a Sentinel': () => `rediss+sentinel://127.0.0.1:${alertedGuide.port}/${PRIMARY}`,
    'a Sentinel': ({ port }) => `rediss+sentinel://127.0.0.1:${port}/${PRIMARY}`,
  };
  for (const [what, url] of Object.entries(alertedUrls))
    it(`${what} with alerts behind every answer: not used, and no error of a socket ends the process`, async () => {
      const way = url(what === 'a Sentinel' ? toSentinel : toRedis);
      const outcomes = await Promise.all(
        ['', dir.file('ca.pem')].map((NODE_EXTRA_CA_CERTS) => ask(way, { NODE_EXTRA_CA_CERTS })),
      );
      for (const outcome of outcomes) assert.match(outcome, /^StoreFault /);
    });

  it('a server without TLS is not used', async () => {
    const plain = await startRedis();
    try {
      const url = `rediss+cluster://:secret@127.0.0.1:${plain.port}`;
      assert.match(await ask(url, { NODE_EXTRA_CA_CERTS: dir.file('ca.pem') }), /^StoreFault /);
    } finally {
      await plain.dispose();
    }
  });
});
