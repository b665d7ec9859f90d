// Limits that are to be got round by spelling what is counted in another way. HAProxy and nginx count nothing by key or
// owner, so they are not asked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Scene } from '../support/acceptance-scene.ts';
import type { Upstream } from '../support/acceptance-upstream.ts';
import { found } from '../support/findings.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { seededNumbers, type SeededNumbers } from '../support/seeded-numbers.ts';
import { statusesOf } from './harness/statuses.ts';

const LIMIT = 40;
const TRIED = 220;
const SECRETS = ['an-evading-key-number-1', 'an-evading-key-number-2'] as const;

const limited = (by: string, more: object = {}): object => ({
  path: `/${by}/**`,
  upstream: 'main',
  limits: { calls: { requests: LIMIT, per: '1d', algorithm: 'fixed', by } },
  ...more,
});

describe('attacks: limit evasion', () => {
  let scene: Scene;
  let upstream: Upstream;
  let gateway: GatewayProcess;

  before(async () => {
    scene = await Scene.open('redis');
    upstream = await scene.upstream();
    gateway = await scene.gateway({
      trustedProxies: ['127.0.0.1/32'],
      upstreams: { main: { targets: [upstream.url] } },
      guard: { failures: 20, per: '1h', block: '1h' },
      routes: {
        key: limited('key'),
        owner: limited('owner'),
        address: limited('address'),
        route: limited('route'),
        costly: limited('key', {
          path: '/costly/**',
          cost: 3,
          limits: { calls: { requests: 3 * LIMIT, per: '1d', algorithm: 'fixed' } },
        }),
      },
    });
    await scene.importKeys(
      gateway,
      SECRETS.map((secret, at) => ({ id: `evader-${at}`, owner: 'evader', secret })),
    );
  });
  after(() => scene.close());

  test('no spelling of a request is counted apart from the others', async (t) => {
    const numbers = seededNumbers();
    t.diagnostic(numbers.seed);
    const kinds = ['key', 'owner', 'route', 'costly', 'address', 'address'] as const;
    let tried = 0;
    for (const [at, kind] of kinds.entries()) {
      upstream.seen.length = 0;
      const spelled = at === 5 ? v6 : v4;
      const from = kind === 'address' ? spelled : anywhere;
      const secret = kind === 'owner' || kind === 'address' || kind === 'route' ? undefined : SECRETS[0];
      const requests = Array.from({ length: TRIED }, () => respelled(kind, numbers, from(numbers), secret));
      const statuses = await statusesOf(gateway.proxyPort, requests);
      assert.equal(statuses.length, TRIED);
      assert.equal(upstream.seen.length, LIMIT, `by ${kind}: ${numbers.seed}`);
      assert.ok(
        statuses.every((status) => status === 200 || status === 429),
        statuses.join(),
      );
      tried += TRIED;
    }
    found(t, {
      attackClass: 'limit evasion',
      known: 0,
      generated: tried,
      unauthorised: 0,
      seed: numbers.seed,
    });
  });

  test('an IPv6 network has no more failed attempts than an address, however its addresses are spelled', async () => {
    const numbers = seededNumbers();
    const requests = Array.from({ length: 60 }, (_, at) =>
      get('/key/a', `2001:db8:bad:1:${numbers.below(65_536).toString(16)}::${at.toString(16)}`, 'an-unknown-key-text-'),
    );
    const statuses = await statusesOf(gateway.proxyPort, requests);
    const failed = statuses.filter((status) => status === 401).length;
    assert.ok(failed > 0 && failed <= 20, `${numbers.seed}: ${statuses.join()}`);
    assert.ok(
      statuses.slice(-20).every((status) => status === 429),
      statuses.join(),
    );
  });
});

function get(target: string, from: string, secret: string, method = 'GET', host = 'gateway.test'): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${secret}\r\nX-Forwarded-For: ${from}\r\n\r\n`;
}

/** One request in one of its spellings. @param secret the key, or undefined where each may be used */
function respelled(kind: string, { below }: SeededNumbers, from: string, secret: string | undefined): string {
  const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
  const path = [...`/${kind}/${any(['', 'a', 'A', 'b/c', 'caf%c3%a9'])}`]
    .map((letter) =>
      below(8) === 0 && /[a-z]/.test(letter) && !'caf'.includes(letter)
        ? `%${letter.charCodeAt(0).toString(16)}`
        : letter,
    )
    .join('');
  const host = any([
    'gateway.test',
    'GATEWAY.test',
    'gateway.test.',
    'gateway.test:80',
    'other.test',
    '127.0.0.1',
    '[::1]',
  ]);
  const target = `${below(6) ? '' : `http://${host}`}${path}${any(['', '', '?', '?a=b', `?${below(9)}`])}`;
  return get(target, from, secret ?? any(SECRETS), any(['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS', 'PATCH']), host);
}

function anywhere({ below }: SeededNumbers): string {
  return `203.0.113.${below(200)}`;
}

/** One IPv4 address, in all that is read as it. */
function v4({ below }: SeededNumbers): string {
  const spellings = [
    '198.51.100.7',
    '::ffff:198.51.100.7',
    '::FFFF:c633:6407',
    '0:0:0:0:0:ffff:c633:6407',
    '::ffff:C633:6407',
  ];
  return `${below(2) ? `10.9.8.${below(256)}, ` : ''}${spellings[below(spellings.length)]}`;
}

/** Addresses of one /64. */
function v6({ below }: SeededNumbers): string {
  const group = (): string => below(65_536).toString(16);
  const prefix = ['2001:db8:1:2', '2001:DB8:0001:0002', '2001:0db8:1:2'][below(3)];
  return `${prefix}:${group()}:${group()}:${group()}:${group()}`;
}
