// Upstreams that fail in every way, beside one that works: each client is told what SPEC section 5 says, nothing
// that was sent is sent again, others are not harmed, and connections and descriptors are soon as before.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/acceptance-ports.ts';
import { eventually } from '../support/acceptance-wait.ts';
import { FAILING_UPSTREAMS, type FailingUpstream } from '../support/failing-upstreams.ts';
import { countsText, type FaultLoad } from '../support/fault-load.ts';
import { FaultScene, KEY } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';
import { RawClient } from '../support/raw-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

const TIMEOUTS = { connectTimeout: '1500ms', responseTimeout: '1500ms', idleTimeout: '1500ms', retries: 1 };
/** Requests to each failing upstream, all at once. */
const AT_ONCE = 4;
const slug = (name: string): string => name.replaceAll(/\W+/g, '-').toLowerCase();

describe('upstreams that fail', () => {
  const failing = new Map<FailingUpstream, RecordingUpstream>();
  let on: FaultScene;
  let load: FaultLoad;

  before(async () => {
    for (const each of FAILING_UPSTREAMS) failing.set(each, await startRecordingUpstream(each.script));
    const upstreams = [...failing].map(([{ name }, { origin }]) => [slug(name), { targets: [origin], ...TIMEOUTS }]);
    const routes = [...failing.keys()].map(({ name }) => [
      slug(name),
      { path: `/${slug(name)}`, upstream: slug(name), methods: ['GET', 'HEAD', 'POST'] },
    ]);
    const refusing = `http://127.0.0.1:${await freePort()}`;
    on = await FaultScene.open({
      upstreams: { ...Object.fromEntries(upstreams), refusing: { targets: [refusing], ...TIMEOUTS } },
      routes: { ...Object.fromEntries(routes), refusing: { path: '/refusing', upstream: 'refusing' } },
    });
    load = on.load();
  });
  after(async () => {
    await on.close();
    for (const upstream of failing.values()) await upstream.close();
  });

  /** What one client gets, over a connection of its own. */
  async function ask(path: string, method: string, body = ''): Promise<string> {
    const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
    const head = `${method} ${path} HTTP/1.1\r\nHost: a\r\nX-Api-Key: ${KEY}\r\nConnection: close\r\n${length}\r\n`;
    return seenOf(await RawClient.exchange(on.gateway.proxyPort, head + body, 15_000), method);
  }

  test('every way: the answer that is promised, sent once, and others are served meanwhile', async (t) => {
    const seen = await Promise.all(
      [...failing].map(async ([{ name, method = 'GET', seen: promised }, upstream]) => {
        const path = `/${slug(name)}`;
        const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => ask(path, method)));
        assert.deepEqual(new Set(answers), new Set([promised]), name);
        const posted = method === 'GET' ? await ask(path, 'POST', 'body') : promised;
        assert.equal(posted, promised, `${name}, with a body`);
        const requests = upstream.connections.filter(({ text }) => text.includes('\r\n\r\n')).length;
        const most = AT_ONCE + (method === 'GET' ? 1 : 0);
        assert.ok(requests <= most, `${name}: ${requests} requests arrived of ${most}`);
        // One that does not read does not see an end either; the gateway's descriptors are counted below.
        if (name !== 'never reads')
          await eventually(() => assert.equal(upstream.open.size, 0, name), { withinMs: 8_000 });
        return promised;
      }),
    );
    assert.deepEqual(await ask('/refusing', 'GET'), '502 upstream_unreachable');
    const { statuses, strangers, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.deepEqual([...statuses.keys()], [200]);
    assert.deepEqual([...strangers.keys()], [401]);
    const counts = new Map<string, number>();
    for (const answer of seen) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    found(t, {
      promise: 7,
      tried: `${failing.size + 1} upstreams that fail: refusing, silent, dripping, resetting, cutting, garbage, endless; ${AT_ONCE} requests to each at once, beside one that works`,
      promised:
        '502, 504 or an answer that is visibly cut, as each way asks for; nothing sent twice; others not harmed',
      seen: `${[...counts].map(([answer, ways]) => `${answer}: ${ways}`).join(', ')}; 0 sent twice, all upstream connections closed; others ${countsText(statuses)}, 0 failed; ${await on.assertUnharmed()}`,
    });
  });
});

test('many targets, one of them bad: a request that was not sent goes to another, one that was sent does not', async (t) => {
  const resetting = await startRecordingUpstream(async (connection) => {
    await connection.until('\r\n\r\n');
    connection.socket.resetAndDestroy();
  });
  const refusing = `http://127.0.0.1:${await freePort()}`;
  const on = await FaultScene.open({ routes: { mixed: { path: '/mixed', upstream: 'app' } } });
  try {
    const targets = (bad: string): object => ({
      ...on.settings,
      upstreams: { app: { targets: [on.app.url, bad, on.app.url.replace('127.0.0.1', 'localhost')], ...TIMEOUTS } },
    });
    const results: string[] = [];
    for (const [bad, most] of [
      [refusing, 0],
      [resetting.origin, 1 / 3],
    ] as const) {
      const reloads = (): number => on.gateway.log.filter(({ msg }) => msg === 'configuration reloaded').length;
      const before = reloads();
      await on.gateway.reconfigure(targets(bad) as never);
      await eventually(() => assert.equal(reloads(), before + 1));
      const load = on.load({ target: '/mixed', method: 'POST' });
      await eventually(() => assert.ok(load.answered > 150), { withinMs: 15_000 });
      const { statuses, failures } = await load.stop();
      const all = [...statuses.values()].reduce((sum, count) => sum + count, 0);
      const lost = all - (statuses.get(200) ?? 0);
      assert.deepEqual(failures, []);
      assert.ok(lost <= Math.ceil(all * most) + 4, countsText(statuses));
      if (most > 0) assert.ok(lost > 0, 'a POST that was sent is not sent again');
      results.push(countsText(statuses));
    }
    const posted = on.app.seen.filter(({ target, method }) => target === '/mixed' && method === 'POST').length;
    found(t, {
      promise: 7,
      tried: 'three targets under POST: one refuses connections, then one resets each request it got',
      promised: 'refused: tried on the next target, 0 lost; reset: 502 for those that it got, none sent twice',
      seen: `refusing: ${results[0]}; resetting: ${results[1]}; ${posted} reached a good target; ${await on.assertUnharmed()}`,
    });
  } finally {
    await on.close();
    await resetting.close();
  }
});

/** An answer in the words of the table. */
function seenOf(text: string, method: string): string {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 'none';
  const code = /"code":"(\w+)"/.exec(body)?.[1];
  if (code !== undefined) return `${status} ${code}`;
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  const isChunked = /\r\ntransfer-encoding: chunked/i.test(head);
  const isWhole = isChunked ? text.endsWith('0\r\n\r\n') : length === undefined || body.length === Number(length);
  return method === 'HEAD' || isWhole ? status : 'cut';
}
