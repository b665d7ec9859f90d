// Redis, gateways that are never restarted, and everything that may befall the server or the network between, one thing
// after the other at each of the gateways, with requests flowing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { portcullis } from '../support/acceptance-cli.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { RedisFaultScene, type RedisFault } from '../support/redis-fault-scene.ts';
import { atScale } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { startRedis, tell, type TestRedis } from '../support/redis.ts';
import { statusesOf, type Answered } from '../support/steady-load.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const TIMEOUT_MS = 200;
const MAX_STALENESS_MS = 5_000;
/** Of most faults, ms: several times the store's timeout, and longer than a silent connection is borne with. */
const LASTS_MS = 1_500;
const STOPPED_MS = atScale({ suite: 3_000, full: 10_000 });

const SIX =
  'no crash, no unauthorised request, recovery within 2 s of the store; answers within store.timeout + 150 ms';
const FIVE = 'every answer within store.timeout + 150 ms, known fresh keys pass, recovery within 2 s, no restart';

/** Gateways beside each other, each with a Redis of its own, that share the faults: these last for long and cost little. */
const GATEWAYS = 3;

describe('gateways and what befalls their Redis', { concurrency: true }, () => {
  for (let gateway = 0; gateway < GATEWAYS; gateway += 1)
    describe(`gateway ${gateway}`, { concurrency: 1 }, () => endures(gateway));
});

/** @param turn of every {@link GATEWAYS} faults the one that befalls this gateway */
function endures(turn: number): void {
  let redis: TestRedis;
  let replica: TestRedis;
  let proxy: TcpProxy;
  let under: RedisFaultScene;
  let gateway: GatewayProcess;
  /** Stays connected whatever is done to the others. */
  let admin: Redis;

  before(async () => {
    const config = { appendonly: 'yes', appendfsync: 'always', 'repl-diskless-sync-delay': '0' };
    redis = await startRedis({ config });
    replica = await startRedis({ config: { 'repl-diskless-sync-delay': '0' } });
    proxy = await TcpProxy.to(redis.port);
    under = await RedisFaultScene.open({
      urls: [`redis://127.0.0.1:${proxy.port}`],
      timeoutMs: TIMEOUT_MS,
      maxStalenessMs: MAX_STALENESS_MS,
    });
    [gateway] = under.gateways as [GatewayProcess];
    admin = new Redis(redis.url);
    admin.on('error', () => {});
  });
  after(async () => {
    admin.disconnect();
    await under.close();
    await proxy.close();
    await Promise.all([redis.dispose(), replica.dispose()]);
  });

  /** A good key whose record is cached passes on a route without limits, all through. */
  const freshPass = (answers: readonly Answered[]): void => {
    const good = answers.filter(({ key, tookMs, sentMs }) => key === 'good' && sentMs + tookMs < freshUntilMs(answers));
    assert.deepEqual(statusesOf(good.filter(({ status }) => status !== 200)), '');
  };
  const unknownRefused = (answers: readonly Answered[]): void => {
    const stranger = answers.filter(({ key }) => key === 'stranger');
    assert.ok(
      stranger.some(({ code }) => code === 'store_unavailable'),
      statusesOf(stranger),
    );
  };
  const cachedAndRefused = async (answers: readonly Answered[]): Promise<void> => {
    freshPass(answers);
    unknownRefused(answers);
    await under.readiness(gateway, 503);
    await eventually(async () => assert.equal((await gateway.metrics()).sum('portcullis_store_up'), 0));
  };
  /** Does it again and again until it is healed. */
  const again = (act: () => unknown, everyMs: number): { breaks: () => void; heals: () => void } => {
    let timer: NodeJS.Timeout;
    return { breaks: () => (timer = setInterval(act, everyMs)), heals: () => clearInterval(timer) };
  };

  const faults: readonly Omit<RedisFault, 'promised'>[] = [
    {
      promise: 5,
      tried: `Redis stopped (SIGSTOP) for ${STOPPED_MS / 1_000} s`,
      breaks: () => redis.pause(),
      lastsMs: STOPPED_MS,
      heals: () => redis.resume(),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'Redis killed and started again with its append-only file',
      breaks: () => redis.kill(),
      lastsMs: LASTS_MS,
      heals: () => redis.start(),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'the way to Redis slow, below store.timeout (60 ms there and back)',
      breaks: () => proxy.treat(() => ({ delayMs: 30 })),
      lastsMs: LASTS_MS,
      heals: () => proxy.heal(),
      isBounded: false,
    },
    {
      promise: 5,
      tried: 'the way to Redis slow, above store.timeout (600 ms there and back)',
      breaks: () => proxy.treat(() => ({ delayMs: 300 })),
      lastsMs: LASTS_MS,
      heals: () => proxy.heal(),
      meanwhile: unknownRefused,
    },
    {
      promise: 6,
      tried: 'Redis made read-only: the roles of two servers swapped, then swapped back',
      breaks: async () => {
        await followsWhole(replica, redis);
        await tell(replica, 'replicaof', 'no', 'one');
        await tell(redis, 'replicaof', '127.0.0.1', String(replica.port));
      },
      lastsMs: LASTS_MS,
      heals: () => tell(redis, 'replicaof', 'no', 'one'),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'Redis out of memory (noeviction)',
      breaks: () => admin.config('SET', 'maxmemory', '1mb'),
      lastsMs: LASTS_MS,
      heals: () => admin.config('SET', 'maxmemory', '0'),
      meanwhile: async (answers) => {
        freshPass(answers);
        await assertNoWrite(under, gateway, /OOM/);
        return 'keys can be read, a command that writes one says why it cannot';
      },
    },
    {
      promise: 6,
      tried: 'all connections of Redis ended (CLIENT KILL) every 100 ms',
      ...again(() => void admin.call('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => {}), 100),
      lastsMs: LASTS_MS,
    },
    {
      promise: 6,
      tried: 'connections to Redis reset, and refused from then on',
      breaks: () => proxy.refuse(),
      lastsMs: LASTS_MS,
      heals: () => proxy.heal(),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'connections to Redis half-open: gone, and nobody told',
      breaks: () => proxy.abandon(),
      lastsMs: LASTS_MS,
      heals: () => {},
    },
    {
      promise: 6,
      tried: 'Redis answering garbage',
      breaks: () =>
        proxy.treat((direction) => (direction === 'to client' ? { instead: '?!\r\n\0garbage\r\n' } : 'pass')),
      lastsMs: LASTS_MS,
      heals: () => proxy.heal(),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'Redis answering other types than it was asked for',
      breaks: () => proxy.treat((direction) => (direction === 'to client' ? { instead: ':7\r\n' } : 'pass')),
      lastsMs: LASTS_MS,
      // Fewer answers came than were asked for: what stood there instead of Redis goes with its connections.
      heals: () => {
        proxy.cut('reset');
        proxy.heal();
      },
    },
    {
      promise: 5,
      tried: 'Redis busy with a script (-BUSY)',
      breaks: async () => {
        await admin.config('SET', 'busy-reply-threshold', '50');
        tell(redis, 'eval', 'while true do end', '0').catch(() => {});
      },
      lastsMs: LASTS_MS,
      heals: () => admin.call('SCRIPT', 'KILL'),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'the password of Redis changed (-NOAUTH), and changed back',
      breaks: async () => {
        await admin.config('SET', 'requirepass', 'changed');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal');
      },
      lastsMs: LASTS_MS,
      heals: () => admin.config('SET', 'requirepass', ''),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'the right to run scripts taken away by an ACL (-NOPERM), and given back',
      breaks: () => admin.call('ACL', 'SETUSER', 'default', '-eval', '-evalsha'),
      lastsMs: LASTS_MS,
      heals: () => admin.call('ACL', 'SETUSER', 'default', '+@all'),
      meanwhile: (answers) => {
        freshPass(answers);
        unknownRefused(answers);
      },
    },
    {
      promise: 6,
      tried: 'the right to read the change feed taken away by an ACL (-NOPERM), and given back',
      breaks: () => admin.call('ACL', 'SETUSER', 'default', '-xread'),
      lastsMs: LASTS_MS,
      heals: () => admin.call('ACL', 'SETUSER', 'default', '+@all'),
      meanwhile: () => gateway.logLine(({ msg }) => String(msg).startsWith('The change feed cannot be read')),
    },
    {
      promise: 6,
      tried: 'no connection left at Redis (maxclients)',
      breaks: async () => {
        await admin.config('SET', 'maxclients', '1');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal');
      },
      lastsMs: LASTS_MS,
      heals: () => admin.config('SET', 'maxclients', '10000'),
      meanwhile: cachedAndRefused,
    },
    {
      promise: 6,
      tried: 'Redis set to evict keys while it is in use, and set back',
      breaks: () => admin.config('SET', 'maxmemory-policy', 'allkeys-lru'),
      lastsMs: LASTS_MS,
      heals: () => admin.config('SET', 'maxmemory-policy', 'noeviction'),
      meanwhile: async () => {
        assert.match(await under.readiness(gateway, 503), /set it with CONFIG SET maxmemory-policy noeviction/);
        await gateway.logLine(({ msg }) => String(msg).includes('would evict keys (maxmemory-policy is allkeys-lru)'));
        return 'noticed, logged with its cure, 503 until it was cured';
      },
    },
    {
      promise: 6,
      tried: 'Redis killed, and loading for long when it is started again (-LOADING)',
      breaks: async () => {
        await tell(redis, 'eval', "for n = 1, 3000 do redis.call('set', 'other:' .. n, n) end", '0');
        await redis.kill();
      },
      lastsMs: 0,
      heals: () => redis.start({ 'key-load-delay': '500', 'loading-process-events-interval-bytes': '1024' }),
    },
  ];
  for (const fault of faults.filter((_, at) => at % GATEWAYS === turn))
    it(`${fault.tried}: nothing passes that may not, nobody waits for long, and back by itself`, async (t) => {
      await feedIsRead(admin);
      await under.endure(t, { promised: fault.promise === 5 ? FIVE : SIX, ...fault });
    });

  it('it was the same process all through', () => {
    assert.deepEqual(gateway.log.filter(({ msg }) => msg === 'starting').length, 1);
  });
}

/**
 * Waits until the change feed is read again. Before that, what the fault before this one lasted has yet to make the
 * gateway forget its cached records, and whether it has when the next one begins is chance.
 */
async function feedIsRead(admin: Redis): Promise<void> {
  await eventually(async () => assert.match(String(await admin.client('LIST')), /\bcmd=xread\b/));
}

/** Cached records are believed until the store was not heard from for so long; a second of it is left for the busy. */
function freshUntilMs(answers: readonly Answered[]): number {
  return Math.min(...answers.map(({ sentMs }) => sentMs)) + MAX_STALENESS_MS - 1_000;
}

async function followsWhole(replica: TestRedis, primary: TestRedis): Promise<void> {
  await tell(replica, 'replicaof', '127.0.0.1', String(primary.port));
  await eventually(async () => assert.match(String(await tell(replica, 'info', 'replication')), /link_status:up/));
  await pause(0);
}

async function assertNoWrite({ scene }: RedisFaultScene, gateway: GatewayProcess, why: RegExp): Promise<void> {
  const end = await portcullis(['keys', 'disable', 'good', '-c', gateway.configFile], { cwd: scene.directory });
  assert.equal(end.code, 1, end.stdout);
  assert.match(end.stderr, why);
  assert.match(end.stderr, /^\S[^\n]*\n$/);
}
