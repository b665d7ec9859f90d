// Ids and owners of keys that would be read as another's record or counter in Redis, or as a command. The way in is
// `keys import`; HAProxy and nginx have no keys, so they are not asked.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { type CommandEnd, portcullis } from '../support/acceptance-cli.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { seededNumbers, type SeededNumbers } from '../support/seeded-numbers.ts';
import { statusesOf } from './harness/statuses.ts';

/** A key that is there before, whose counters and record the others would like to have. */
const HELD = { id: 'held', owner: 'held-owner', secret: 'a-key-that-was-there-before' } as const;
/** Of each key, and of each owner. */
const PASSES = 2;
const limit = (by: string): object => ({ requests: PASSES, per: '1d', by });

test('no id and no owner is kept half, kept as another, counted with another, or read by Redis', async (t) => {
  const numbers = seededNumbers();
  t.diagnostic(numbers.seed);
  const scene = await Scene.open('redis');
  try {
    const upstream = await scene.upstream();
    const gateway = await scene.gateway({
      // Counts are what matters here, not how busy the machine is.
      store: { url: scene.store.url, timeout: '5s' },
      upstreams: { main: { targets: [upstream.url] } },
      routes: { apart: { path: '/apart', upstream: 'main', limits: { each: limit('key'), whose: limit('owner') } } },
    });
    await scene.importKeys(gateway, [HELD]);
    const redis = new Redis({ port: scene.store.redis?.port ?? 0, host: '127.0.0.1' });
    scene.onClose(() => redis.quit());
    await redis.set('outside', 'kept');

    const entries = oddEntries(numbers);
    const good = await refuseUnsound(scene, gateway, redis, entries);
    await takeSound(scene, gateway, good);
    const secrets = [...good, HELD].flatMap(({ secret }) => [secret, secret, secret]);
    const statuses = await statusesOf(gateway.proxyPort, secrets.map(get));
    for (const [at, { id, owner }] of [...good, HELD].entries())
      // Which of them is one too many is for Redis to say: they are asked at once.
      assert.deepEqual(
        statuses.slice(3 * at, 3 * at + 3).toSorted((a, b) => a - b),
        [200, 200, 429],
        `${id} of ${JSON.stringify(owner)}`,
      );
    await assertOnlyOurs(redis);
    found(t, {
      attackClass: 'Redis key injection by odd ids',
      known: CURATED_IDS.length + CURATED_OWNERS.length,
      generated: entries.length,
      unauthorised: 0,
      seed: numbers.seed,
    });
  } finally {
    await scene.close();
  }
});

/** Imports all lines, which must keep none of them, and gives those that were not refused. */
async function refuseUnsound(
  scene: Scene,
  gateway: GatewayProcess,
  redis: Redis,
  entries: readonly Entry[],
): Promise<Entry[]> {
  const before = await redis.keys('*');
  const { code, stderr } = await importEntries(scene, gateway, entries);
  assert.notEqual(code, 0, 'bad lines are refused');
  assert.deepEqual(
    (await redis.keys('*')).toSorted(),
    before.toSorted(),
    'nothing is kept of an import with bad lines',
  );
  const refused = new Set([...stderr.matchAll(/:(\d+)[: ]/g)].map(([, line]) => Number(line)));
  for (const [at, entry] of entries.entries())
    assert.equal(refused.has(at + 1), !isSound(entry), `line ${at + 1}, ${JSON.stringify(entry)}`);
  return entries.filter((_, at) => !refused.has(at + 1));
}

/** Imports sound lines, each of which has to be there then as it was. */
async function takeSound(scene: Scene, gateway: GatewayProcess, good: readonly Entry[]): Promise<void> {
  const { code, stderr } = await importEntries(scene, gateway, good);
  assert.equal(code, 0, stderr);
  const { stdout } = await scene.run(gateway, 'keys', 'list', '--json');
  const lines = stdout.trim().split('\n');
  const listed = new Map(lines.map((line) => JSON.parse(line) as Entry).map(({ id, owner }) => [id, owner]));
  for (const { id, owner } of good) assert.equal(listed.get(id) ?? undefined, owner, `the owner of ${id}`);
  assert.equal(lines.length, good.length + 1);
}

async function importEntries(scene: Scene, gateway: GatewayProcess, entries: readonly Entry[]): Promise<CommandEnd> {
  const file = join(scene.directory, 'odd.jsonl');
  await writeFile(file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  return portcullis(['keys', 'import', file, '-c', gateway.configFile], { cwd: scene.directory });
}

/** All keys but the stranger's have our prefix, and no command ran that only an injection would send. */
async function assertOnlyOurs(redis: Redis): Promise<void> {
  const foreign = (await redis.keys('*')).filter((key) => !key.startsWith('{portcullis}:'));
  assert.deepEqual(foreign, ['outside']);
  assert.equal(await redis.get('outside'), 'kept');
  const commands = await redis.info('commandstats');
  assert.doesNotMatch(commands, /cmdstat_(?:flushall|flushdb|config\|set|shutdown|slaveof|replicaof|rename|swapdb)/);
}

interface Entry {
  readonly id: string;
  readonly owner?: string;
  readonly secret: string;
}

const CURATED_IDS = [
  'a',
  'A',
  'a.b',
  'a-b',
  'a_b',
  'evader-0.x',
  'x-evader-0',
  '__proto__',
  'constructor',
  'null',
  '0',
  '-1',
  '.',
  '..',
  'a:b',
  'key:a',
  '{portcullis}:key:a',
  '{a}',
  '*',
  'a*',
  'a?',
  '[a]',
  'a b',
  'a\n',
  '\r\nFLUSHALL\r\n',
  'a\0',
  '',
  'a\r\n*1\r\n$8\r\nFLUSHALL\r\n',
  'a/b',
  'a%3Ab',
  '\u{e9}',
  '\u{212a}',
  'a\u{200b}',
  'a'.repeat(64),
  'a'.repeat(65),
];
const CURATED_OWNERS = [
  'a',
  'A',
  'a ',
  ' a',
  'a:',
  'a%3A',
  'a%3a',
  'a/b',
  'a%2Fb',
  'k:a',
  'o:a',
  'k%3Aa',
  '*',
  '{a}',
  '{portcullis}:ids',
  '\u{e9}',
  'e\u{301}',
  '\u{17f}',
  's',
  'K',
  '\u{212a}',
  '__proto__',
  'constructor',
  'null',
  'undefined',
  '0',
  '-1',
  'a\r\nFLUSHALL',
  'a\n',
  'a\0',
  '\u{85}',
  '\u{2028}',
  '\u{d800}',
  '\u{dfff}',
  '\u{fffd}',
  '\u{1f511}',
  'a'.repeat(256),
  'a'.repeat(257),
  '',
];
const PIECES = [
  'a',
  'B',
  '9',
  '.',
  '-',
  '_',
  ':',
  '/',
  '%',
  '*',
  '{',
  '}',
  ' ',
  '\n',
  '\r\n',
  '\0',
  '\u{e9}',
  '\u{301}',
  '"',
  '\\',
  "'",
  '$1',
  '#',
];
const GENERATED = 1_000;

/** Lines with the curated ids and owners, then made up ones; each id and owner stands once. */
function oddEntries({ below }: SeededNumbers): Entry[] {
  const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
  const odd = (): string =>
    Array.from({ length: 1 + below(6) }, () => any(below(3) ? PIECES.slice(0, 6) : PIECES)).join('');
  const [ids, owners] = [new Set<string>(), new Set<string>()];
  for (const id of CURATED_IDS) ids.add(id);
  for (const owner of CURATED_OWNERS) owners.add(owner);
  while (ids.size < GENERATED) ids.add(odd());
  while (owners.size < GENERATED / 2) owners.add(odd());
  const whose = [...owners];
  // Half of the keys have no owner, so that such a key is told from an owner of its id's name.
  return [...ids].map((id, at) => {
    const owner = whose[at];
    return { id, secret: `an-odd-key-text-${at + 1_000}`, ...(owner !== undefined && { owner }) };
  });
}

/** What this test takes for sound: not the product's own rule. */
function isSound({ id, owner }: Entry): boolean {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) return false;
  if (owner === undefined) return true;
  return owner !== '' && owner.length <= 256 && owner.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(owner);
}

function get(secret: string): string {
  return `GET /apart HTTP/1.1\r\nHost: gateway.test\r\nx-api-key: ${secret}\r\n\r\n`;
}
