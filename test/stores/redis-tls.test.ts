// A store behind TLS: `rediss://` with a certificate authority of one's own, as NODE_EXTRA_CA_CERTS gives it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startRedis, type TestRedis } from '../support/redis.ts';
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

describe('a store behind TLS', { concurrency: true }, () => {
  let dir: TempDir;
  let redis: TestRedis;

  before(async () => {
    dir = await makeTempDir();
    const [ca, caKey, cert, key] = ['ca.pem', 'ca.key', 'redis.pem', 'redis.key'].map((name) => dir.file(name));
    assert.ok(ca && caKey && cert && key);
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    await run('openssl', ['req', '-x509', ...curve, '-subj', '/CN=test authority', '-keyout', caKey, '-out', ca]);
    const address = ['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'];
    const issued = ['-CA', ca, '-CAkey', caKey, '-subj', '/CN=redis', '-keyout', key, '-out', cert];
    await run('openssl', ['req', '-x509', ...curve, ...issued, ...address]);
    redis = await startRedis({ tls: { ca, cert, key } });
  });
  after(async () => {
    await redis.dispose();
    await dir.remove();
  });

  const ask = async (env: NodeJS.ProcessEnv): Promise<string> => {
    const args = ['--input-type=module', '-e', PROGRAM, redis.url];
    const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...env } });
    return stdout.trim();
  };

  it('works with an authority of its own', async () => {
    assert.equal(await ask({ NODE_EXTRA_CA_CERTS: dir.file('ca.pem') }), 'answered');
  });

  it('a certificate of an unknown authority is not accepted, and the reason is told', async () => {
    assert.match(await ask({ NODE_EXTRA_CA_CERTS: '' }), /^StoreFault .*(?:certificate|issuer)/);
  });
});
