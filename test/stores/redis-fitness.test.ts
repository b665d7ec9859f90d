// What a gateway finds out about a Redis when it starts: each thing with what it means and the cure.
import assert from 'node:assert/strict';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import type { Store } from '../../src/core/ports.ts';
import { openStore } from '../../src/stores/open.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { storeSettings } from '../support/backings.ts';
import { startRedis, tell, type RedisOptions, type TestRedis } from '../support/redis.ts';

/** What was said: `warn` or `info`, and the sentence. */
type Said = string[];

describe('what is said of a Redis at the start', { concurrency: true }, () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  });
  const serve = async (config: RedisOptions['config'] = {}): Promise<TestRedis> => {
    const redis = await startRedis({ config });
    cleanups.push(() => redis.dispose());
    return redis;
  };
  const start = async (url: string): Promise<{ said: Said; store: Store }> => {
    const said: Said = [];
    const store = await openStore(
      storeSettings(url, {
        warn: (message) => said.push(`warn ${message}`),
        inform: (message) => said.push(`info ${message}`),
      }),
    );
    cleanups.push(() => store.close());
    return { said, store };
  };

  const crashes: Readonly<Record<string, readonly [config: Readonly<Record<string, string>>, said: RegExp]>> = {
    'nothing persisted': [{}, /^warn a restart of Redis loses all keys .*set appendonly yes/m],
    snapshots: [{ save: '60 1000' }, /^warn a crash .* since its last snapshot .*save is 60 1000.*set appendonly yes/m],
    'appendfsync always': [
      { appendonly: 'yes', appendfsync: 'always' },
      /^info a crash of Redis loses no change that was acknowledged/m,
    ],
    'appendfsync everysec': [
      { appendonly: 'yes', appendfsync: 'everysec' },
      /^info a crash of the machine of Redis may lose up to the last second .*set appendfsync always/m,
    ],
    'appendfsync no': [
      { appendonly: 'yes', appendfsync: 'no' },
      /^warn a crash .*not written yet.*\(appendfsync is no\); set appendfsync everysec or always/m,
    ],
  };
  for (const [what, [config, expected]] of Object.entries(crashes))
    it(`what a crash may lose: ${what}`, async () => {
      const { said } = await start((await serve(config)).url);
      assert.match(said.join('\n'), expected);
      assert.match(said.join('\n'), /^info Redis has no replica/m);
      assert.equal(said.length, 2);
    });

  it('a managed Redis that refuses CONFIG: what could not be checked', async () => {
    const { said } = await start((await serve({ 'rename-command': 'CONFIG ""' })).url);
    assert.match(said.join('\n'), /^warn CONFIG is refused, so appendonly, appendfsync and save could not be checked/m);
  });

  it('replicas: how many there are, and what min-replicas-to-write means for them', async () => {
    const [primary, replica] = await Promise.all([serve({ 'repl-diskless-sync-delay': '0' }), serve()]);
    await tell(replica, 'replicaof', '127.0.0.1', String(primary.port));
    await eventually(async () => assert.match(String(await tell(primary, 'info', 'replication')), /state=online/));
    const unguarded = await start(primary.url);
    assert.match(unguarded.said.join('\n'), /^warn 1 replica is connected.*min-replicas-to-write is 0\); set it to 1/m);
    await tell(primary, 'config', 'set', 'min-replicas-to-write', '1');
    const guarded = await start(primary.url);
    assert.match(guarded.said.join('\n'), /^info 1 replica is connected.*\(min-replicas-to-write is 1\)/m);
  });

  it('fewer replicas than min-replicas-to-write asks for: no key is served, and why', async () => {
    const { said } = await start((await serve({ 'min-replicas-to-write': '2' })).url);
    assert.match(said.join('\n'), /^warn too few replicas are connected \(0, .*is 2\), .*keys get 503; connect more/m);
  });

  for (const refused of ['role', 'wait'])
    it(`a user who may not run ${refused}: no change waits for a replica, and why`, async () => {
      const { url } = await serve({ user: `gateway on >secret ~* &* +@all -${refused}` });
      const { said } = await start(url.replace('//', '//gateway:secret@'));
      assert.match(said.join('\n'), /^warn ROLE or WAIT is refused, .*\(ACL: \+role \+wait\)/m);
    });

  it('a server that comes back as it was is said nothing of again', async () => {
    const redis = await serve();
    const { said, store } = await start(redis.url);
    const before = said.filter((line) => !line.includes('Redis is') && !line.includes('again'));
    await redis.restart();
    await eventually(() => assert.ok(said.some((line) => line.includes('Redis can be used again'))));
    await store.ping();
    assert.deepEqual(
      said.filter((line) => !line.includes('not reachable') && !line.includes('used again')),
      before,
    );
  });

  it('a version that is too old is refused, with the cure; one that is not tested is used, and told', async () => {
    const redis = await serve();
    const old = await inVersion(redis, '6.0');
    const later = await inVersion(redis, '9.1');
    cleanups.push(old.close, later.close);
    await assert.rejects(start(old.url), {
      name: 'UserFault',
      message: /^Redis at 127\.0\.0\.1:\d+ is version 6\.0[.\d]*, and Portcullis needs 6\.2 or later; upgrade it\.$/,
    });
    const { said, store } = await start(later.url);
    await store.ping();
    assert.match(said.join('\n'), /^warn Portcullis is tested with Redis 7, not with redis 9\.1/m);
  });
});

/** The server, saying of itself that it is of another version: no other one can be had everywhere. */
async function inVersion(redis: TestRedis, version: string): Promise<{ url: string; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const behind = createConnection(redis.port, '127.0.0.1');
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, behind].forEach((each) => each.destroy()));
    }
    client.pipe(behind);
    behind.on('data', (bytes) => client.write(renamed(bytes.toString('latin1'), version), 'latin1'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As many bytes as before, or the length in front of them would be wrong. */
function renamed(text: string, version: string): string {
  return text.replace(/(redis_version:)(\S+)/, (_, name: string, own: string) => {
    return `${name}${version.padEnd(own.length, '.0').slice(0, own.length)}`;
  });
}
