// The URLs of one Redis, of Sentinels and of a Cluster.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { withoutPassword } from '../../src/config/store-url.ts';
import { parseRedisUrl, placeText, type RedisUrl } from '../../src/core/redis-url.ts';

function urlOf(text: string): RedisUrl {
  const parsed = parseRedisUrl(text);
  assert.ok(parsed.ok, `${text} was refused`);
  return parsed.url;
}

describe('a Redis URL', () => {
  it('of one server names host, port and database, with defaults', () => {
    assert.deepEqual(urlOf('redis://localhost'), {
      kind: 'server',
      places: [{ host: 'localhost', port: 6379 }],
      database: 0,
      isTls: false,
      credentials: undefined,
    });
    assert.deepEqual(urlOf('rediss://gate:p%40s%2Fs@[::1]:6380/2'), {
      kind: 'server',
      places: [{ host: '::1', port: 6380 }],
      database: 2,
      isTls: true,
      credentials: { user: 'gate', password: 'p@s/s' },
    });
  });

  it('of Sentinels names them and the primary', () => {
    assert.deepEqual(urlOf('redis+sentinel://:secret@h1:26380,h2/main-1/3'), {
      kind: 'sentinel',
      places: [
        { host: 'h1', port: 26_380 },
        { host: 'h2', port: 26_379 },
      ],
      primary: 'main-1',
      database: 3,
      isTls: false,
      credentials: { user: undefined, password: 'secret' },
    });
    assert.equal(urlOf('rediss+sentinel://h1/main').isTls, true);
  });

  it('of a Cluster names some of its nodes', () => {
    assert.deepEqual(urlOf('rediss+cluster://user:pass@10.0.0.1:7000,[2001:db8::1]:7001,h3'), {
      kind: 'cluster',
      places: [
        { host: '10.0.0.1', port: 7000 },
        { host: '2001:db8::1', port: 7001 },
        { host: 'h3', port: 6379 },
      ],
      isTls: true,
      credentials: { user: 'user', password: 'pass' },
    });
  });

  it('that is none is refused with the form that would be one', () => {
    const refused: readonly [url: string, problem: RegExp][] = [
      ['redis:', /cut short; write redis:\/\/\[user:pass@\]host:port\/db$/],
      ['redis://', /no valid host and port/],
      ['redis://h:0', /no valid host and port/],
      ['redis://h:65536', /no valid host and port/],
      ['redis://h/1/2', /not a number/],
      ['redis://h1,h2', /several servers/],
      ['redis://h1?x=1', /options behind a \? or #/],
      ['redis+sentinel://h1', /write redis\+sentinel:\/\/\[user:pass@\]host1:port1,host2:port2\/NAME$/],
      ['redis+sentinel://h1/', /name that the Sentinels know/],
      ['redis+sentinel://h1/na me', /name that the Sentinels know/],
      ['redis+sentinel://h1/main/x', /not a number/],
      ['redis+sentinel://h1/main/1/2', /not a number/],
      ['redis+sentinel://h1,/main', /Sentinel without a valid host/],
      ['rediss+cluster://h1,010.0.0.1:7000', /node without a valid host and port; write rediss\+cluster:/],
      ['redis+cluster://', /node without a valid host/],
      ['redis+cluster://h1:7000/0', /no databases/],
      ['redis+cluster://h1:7000,user:pass@h2:7000', /percent-encode/],
      ['redis://:%zz@h', /percent-encode/],
      ['redis+tls://h', /not a Redis URL/],
    ];
    for (const [url, problem] of refused) {
      const parsed = parseRedisUrl(url);
      assert.ok(!parsed.ok, `${url} was taken`);
      assert.match(parsed.problem, problem);
    }
  });

  it('never shows its password, however many hosts it has', () => {
    const password = fc.string({ minLength: 1 }).map((text) => `canary${encodeURIComponent(text)}canary`);
    const scheme = fc.constantFrom('redis', 'rediss', 'redis+sentinel', 'rediss+cluster');
    const hosts = fc.constantFrom('h1', 'h1:1,h2:2', '[::1]:1,h2');
    fc.assert(
      fc.property(scheme, password, hosts, fc.constantFrom('', '/main', '?x=@'), (name, secret, places, end) => {
        const url = `${name}://user:${secret}@${places}${end}`;
        assert.doesNotMatch(withoutPassword(url), /canary/);
        const parsed = parseRedisUrl(url);
        if (!parsed.ok) assert.doesNotMatch(parsed.problem, /canary/);
      }),
    );
    const untouched = 'redis+cluster://h1:7000,h2:7001';
    assert.equal(withoutPassword(untouched), untouched);
  });

  it('places are shown with brackets where they need some', () => {
    assert.equal(placeText({ host: '::1', port: 1 }), '[::1]:1');
    assert.equal(placeText({ host: 'h', port: 1 }), 'h:1');
  });
});
