// A key is nowhere but in its holder's hands (promise 8): canary keys are shown to a gateway in every way in which one
// can get there, and then everything that it wrote, sent or stored is searched for them, and for the pepper.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { PEPPER, portcullis } from '../support/acceptance-cli.ts';
import { Connection, HANDSHAKE, requestBytes, send, type RequestParts } from '../support/acceptance-http.ts';
import { mistyped, strangerKey } from '../support/acceptance-key-text.ts';
import { Scene } from '../support/acceptance-scene.ts';
import { storedBytes } from '../support/acceptance-store-bytes.ts';
import { STORE_KINDS, type StoreKind } from '../support/acceptance-store.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { plainAnswer, startRecordingUpstream } from '../support/recording-upstream.ts';

/** What was written, sent or stored, by where. */
type Places = Map<string, Buffer>;

/** A secret that must not be found. */
interface Canary {
  readonly name: string;
  readonly text: string;
}

describe('canary', { concurrency: true }, () => {
  for (const kind of STORE_KINDS) {
    test(`a key and the pepper are in 0 places on ${kind}`, async (t) => {
      const scene = await Scene.open(kind);
      t.after(() => scene.close());
      const places: Places = new Map();
      const { canaries, ways } = await singAll(scene, kind, places);
      const leaks: string[] = [];
      let bytes = 0;
      for (const [place, content] of places) {
        bytes += content.length;
        for (const { name, text } of canaries)
          for (const [form, spelling] of spellings(text))
            if (content.includes(spelling)) leaks.push(`${name} (${form}) in ${place}`);
      }
      assert.ok(
        places.get('bytes to the upstream')?.includes('X-Credential-Identifier: minted'),
        'keys were let through',
      );
      assert.ok(places.get('output of the gateway')?.includes('"reason":"revoked"'), 'and others refused');
      // What is searched has to be able to hold something.
      for (const [place, content] of places) assert.ok(content.length > 0, `${place} is empty`);
      assert.deepEqual(leaks, []);
      found(t, {
        promise: 8,
        tried: `${canaries.length} canaries (keys good, bad and misplaced, and the pepper) shown in ${ways} ways, on ${kind}`,
        promised: 'in 0 places',
        seen: `in ${leaks.length} of ${places.size} places (${(bytes / 1024).toFixed(0)} KiB searched)`,
      });
    });
  }
});

/** As it is, and as it may have been written down on the way. The last four characters are shown to people, by intent. */
function spellings(text: string): [string, Buffer][] {
  const body = text.slice(0, -4);
  const bytes = Buffer.from(text, 'latin1');
  return [
    ['as it is', Buffer.from(body, 'latin1')],
    ['percent-encoded', Buffer.from(encodeURIComponent(body))],
    ['base64', Buffer.from(bytes.toString('base64').slice(0, -8))],
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['SHA-256, hex', Buffer.from(createHash('sha256').update(bytes).digest('hex'))],
    ['SHA-256, base64url', Buffer.from(createHash('sha256').update(bytes).digest('base64url'))],
    ['SHA-256', createHash('sha256').update(bytes).digest()],
  ];
}

interface Sung {
  readonly canaries: readonly Canary[];
  /** In how many ways keys were shown over HTTP. */
  readonly ways: number;
}

async function singAll(scene: Scene, kind: StoreKind, places: Places): Promise<Sung> {
  const app = await startRecordingUpstream(async (connection) => {
    for (let from = 0; ;) {
      from = (await connection.until('\r\n\r\n', from)).indexOf('\r\n\r\n', from) + 4;
      connection.socket.write(plainAnswer('answered', 'X-From: upstream\r\n'));
    }
  });
  scene.onClose(() => app.close());
  const settings = {
    credentials: { pepper: `env:${PEPPER.name}`, query: 'api_key' },
    guard: { failures: 1_000, per: '1m', block: '1s' },
    upstreams: { app: { targets: [app.origin] }, gone: { targets: ['http://127.0.0.1:1'] } },
    roles: { all: ['*'] },
    routes: {
      all: { path: '/**', upstream: 'app', scopes: ['a:b'] },
      more: { path: '/more/**', upstream: 'app', scopes: ['never:granted'] },
      gone: { path: '/gone', upstream: 'gone' },
      socket: { path: '/socket', upstream: 'app', upgrade: ['websocket'] },
    },
    log: { level: 'debug', requests: 'all' },
  };
  const gateway = await scene.gateway(settings);
  const keep = (place: string, content: string | Buffer) =>
    places.set(place, Buffer.concat([places.get(place) ?? Buffer.alloc(0), Buffer.from(content)]));
  const keepEnd = (end: { stdout: string; stderr: string }) => {
    keep('output of commands', end.stdout);
    keep('errors of commands', `${end.stderr}\n`);
  };

  const canaries: Canary[] = [{ name: 'the pepper', text: PEPPER.value }];
  const canary = (name: string, text: string): string => {
    canaries.push({ name, text });
    return text;
  };
  const imported = canary('an imported key', `canary-imported-${kind}-0123456789abcdef`);
  await scene.importKeys(gateway, [{ id: 'imported', owner: 'acme', secret: imported, scopes: ['a:b'] }]);
  const hashed = canary('a key imported as SHA-256', `canary-hashed-${kind}-0123456789abcdef`);
  const sha256 = createHash('sha256').update(hashed).digest('hex');
  await scene.importKeys(gateway, [{ id: 'hashed', owner: 'acme', sha256, roles: ['all'] }]);
  const create = async (...words: string[]) => await scene.json(gateway, 'keys', 'create', ...words);
  const minted = await create('minted', '--owner', 'acme', '--scope', 'a:b');
  const good = canary('a minted key', String(minted['secret']));
  const rotated = canary('a rotated key', String((await scene.json(gateway, 'keys', 'rotate', 'minted'))['secret']));
  const ended = canary('a revoked key', String((await create('ended', '--owner', 'acme'))['secret']));
  keepEnd(await scene.run(gateway, 'keys', 'revoke', 'ended'));
  const unknown = canary('an unknown key', strangerKey());
  const malformed = canary('a mistyped key', mistyped(strangerKey()));
  const odd = canary('a key with odd bytes', 'canary "odd" \\ %41 <key> {x} 0123456789');
  const misplaced = canary('a key in a wrong place', strangerKey());

  await eventually(async () => {
    const { status } = await send(gateway.proxyPort, { headers: { 'X-Api-Key': good } });
    assert.equal(status, 200);
  });
  const ways = await showAll(
    gateway,
    { keys: [good, rotated, imported, hashed, ended, unknown, malformed, odd], misplaced },
    keep,
  );
  await misuseCommands(scene, gateway, { good, misplaced, hashed }, keepEnd);

  keep('the metrics', (await gateway.metrics()).text);
  for (const path of ['/livez', '/readyz', `/${misplaced}`, `/metrics?api_key=${good}`])
    keep(
      'answers of the ops listener',
      requestText(await send(gateway.opsPort, { target: path, headers: { 'X-Api-Key': good } })),
    );
  // A configuration that names keys where none belong is refused, in the log of the running gateway.
  await gateway.reconfigure(scene.settings({ ...settings, roles: { all: [misplaced] }, trustedProxies: [good] }));
  await gateway.logLine((line) => line['level'] === 'error');
  await keepStore(scene, places);
  const end = await gateway.stop();
  keep('how the gateway ended', JSON.stringify(end));
  keep('output of the gateway', gateway.output());
  // As it came over the wire, for every connection.
  keep('bytes to the upstream', app.connections.map(({ text }) => text).join('\n'));
  await keepFiles(scene, places);
  return { canaries, ways };
}

interface Shown {
  readonly keys: readonly string[];
  readonly misplaced: string;
}

/** Every key in every place where a gateway reads one or might come by one. */
async function showAll(
  gateway: GatewayProcess,
  { keys, misplaced }: Shown,
  keep: (place: string, content: string) => void,
) {
  const ways: ((key: string) => RequestParts)[] = [
    (key) => ({ headers: { 'X-Api-Key': key } }),
    (key) => ({ target: '/x?a=1', headers: { Authorization: `Bearer ${key}` } }),
    (key) => ({ target: `/x?api_key=${encodeURIComponent(key)}&b=2` }),
    (key) => ({ target: `/x?%61pi_key=${encodeURIComponent(key)}` }),
    (key) => ({ headers: { 'X-Api-Key': key, Authorization: `Bearer ${key}` } }),
    (key) => ({
      headers: [
        ['X-Api-Key', key],
        ['x-api-key', key],
      ],
    }),
    (key) => ({ target: `/x?api_key=${encodeURIComponent(key)}`, headers: { 'X-Api-Key': key } }),
    (key) => ({ target: '/more/x', headers: { 'X-Api-Key': key } }),
    (key) => ({ target: '/gone', headers: { 'X-Api-Key': key } }),
    (key) => ({ method: 'POST', target: '/x', headers: { 'X-Api-Key': key }, body: 'a body' }),
    (key) => ({ method: 'TRACE', headers: { 'X-Api-Key': key } }),
    (key) => ({ method: 'OPTIONS', headers: { 'X-Api-Key': key, Connection: 'X-Api-Key' } }),
    (key) => ({ target: '/socket', headers: { ...HANDSHAKE, 'X-Api-Key': key } }),
    (key) => ({ headers: { 'X-Api-Key': key, Expect: 'something' } }),
    (key) => ({ target: '/a/../b', headers: { 'X-Api-Key': key } }),
    (key) => ({ headers: { 'X-Api-Key': key, 'X-Forwarded-For': key } }),
    (key) => ({
      headers: [
        ['X-Api-Key', key],
        ['Content-Length', '1'],
        ['Transfer-Encoding', 'chunked'],
      ],
    }),
  ];
  // What stands in a place where no key belongs goes on to the upstream like all else there; so these are never let through.
  const wrongPlaces: RequestParts[] = [
    { target: `/unrouted?token=${misplaced}`, headers: { Cookie: `key=${misplaced}` } },
    { headers: { 'X-Other': misplaced, Cookie: misplaced } },
    { headers: { Authorization: `Basic ${misplaced}` } },
    { target: `/x?other=${misplaced}` },
    { host: misplaced },
    { target: `/orders/${misplaced}/lines` },
    { target: `/orders/${misplaced.replace('_', '%5f')}`, headers: { 'User-Agent': `client/${misplaced}` } },
    { headers: { 'X-Request-Id': misplaced, traceparent: misplaced } },
  ];
  const parts = [...keys.flatMap((key) => ways.map((way) => way(key))), ...wrongPlaces];
  const answers = await Promise.all(parts.map((each) => answerOf(gateway.proxyPort, each)));
  keep('answers to clients', answers.join('\n'));
  return ways.length + wrongPlaces.length;
}

/** All that came back, whatever it is. */
async function answerOf(port: number, parts: RequestParts): Promise<string> {
  const connection = await Connection.open(port);
  try {
    connection.write(requestBytes(parts));
    return requestText(await connection.response({ bodiless: parts.method === 'HEAD' }));
  } finally {
    connection.destroy();
  }
}

function requestText({ status, headers, body }: Awaited<ReturnType<typeof send>>): string {
  return `${status}\n${headers.map((pair) => pair.join(': ')).join('\n')}\n\n${body.toString('latin1')}\n`;
}

interface Misused {
  readonly good: string;
  readonly misplaced: string;
  readonly hashed: string;
}

/** Keys where a command takes none; and what commands say of keys. */
async function misuseCommands(
  scene: Scene,
  gateway: GatewayProcess,
  { good, misplaced, hashed }: Misused,
  keepEnd: (end: { stdout: string; stderr: string }) => void,
): Promise<void> {
  const bad = join(scene.directory, 'canary-lines.jsonl');
  await writeFile(bad, `{"id":"again","owner":"acme","secret":"${good}","roles":["nobody"]}\n{"secret": "${hashed}"\n`);
  const config = join(scene.directory, 'canary-bad.yaml');
  await writeFile(
    config,
    stringify({ version: 1, credentials: { pepper: PEPPER.value, header: good }, nonsense: good }),
  );
  const runs: readonly (readonly string[])[] = [
    ['keys', 'list'],
    ['keys', 'list', '--json'],
    ['keys', 'show', 'minted'],
    ['keys', 'show', 'hashed', '--json'],
    ['explain', '--key', 'minted', '--method', 'GET', '--path', '/orders/7', '--from', '203.0.113.9'],
    ['keys', 'import', bad],
  ];
  const misuses = [
    ['keys', 'show', good],
    ['keys', 'revoke', misplaced],
    ['explain', '--key', good, '--method', 'GET', '--path', '/x', '--from', '203.0.113.9'],
  ];
  const run = (words: readonly string[]) => portcullis(words, { cwd: scene.directory });
  const onStore = [...runs, ...misuses].map((words) => run([...words, '-c', gateway.configFile]));
  for (const end of await Promise.all([...onStore, run(['check', '-c', config])])) keepEnd(end);
  for (const end of (await Promise.all(onStore)).slice(runs.length)) assert.notEqual(end.code, 0, end.stdout);
}

async function keepStore(scene: Scene, places: Places): Promise<void> {
  places.set('the store, all keys or pages with the write-ahead log', await storedBytes(scene.store));
  if (!scene.store.redis) return;
  const redis = new Redis(scene.store.url);
  await redis.config('SET', 'rdbcompression', 'no');
  await redis.save();
  const reply = await redis.call('SLOWLOG', 'GET', '1000');
  places.set('the slow log of Redis', Buffer.from(JSON.stringify(reply)));
  redis.disconnect();
  places.set('the dump of Redis', await readFile(join(scene.directory, 'dump.rdb')));
}

/** All files that are left, but those in which the test itself wrote a key. */
async function keepFiles(scene: Scene, places: Places): Promise<void> {
  for (const name of await readdir(scene.directory)) {
    if (/^(import-.*|canary-.*|gateway-.*\.yaml)$/.test(name)) continue;
    const content = await readFile(join(scene.directory, name));
    if (content.length > 0) places.set(`the file ${name}`, content);
  }
}
