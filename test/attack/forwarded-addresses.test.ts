// Whose address it is: what a client says of it is not believed, and behind a trusted proxy only the rightmost address
// that is exactly one. No odd form may pass for an allowed address, nor for one that is not denied.
import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import type { SeededNumbers } from '../support/seeded-numbers.ts';
import type { Settings } from '../support/gateway-process.ts';
import { attackClass, type KnownCase } from './harness/attack-class.ts';
import type { SeenRequest } from './harness/recorder.ts';
import { valuesOf } from './harness/strict-requests.ts';
import { request } from './harness/ways.ts';

/** 10.0.0.0/8 and 2001:db8::/32 may use the first, and may not use the second. */
const ALLOWED = '/open/allowed/a';
const DENIED = '/open/denied/a';

const OWN_ROUTES: Settings = {
  allowed: {
    path: '/open/allowed/**',
    upstream: 'main',
    scopes: ['open:read'],
    networks: { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.9.9.9/32'] },
  },
  denied: {
    path: '/open/denied/**',
    upstream: 'main',
    scopes: ['open:read'],
    networks: { deny: ['10.0.0.0/8', '2001:db8::/32'] },
  },
};

const SPEAKERS = [
  'X-Real-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'Client-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
  'Fastly-Client-IP',
  'X-Original-Forwarded-For',
  'X_Forwarded_For',
  'X.Forwarded.For',
  'X-Forwarded',
  'X-Forwarded-By',
  'Forwarded',
];

/** Nothing but X-Forwarded-For says whose address it is, and what it says may use the route. */
function keepsAddresses(seen: readonly SeenRequest[]): void {
  for (const { target, fields } of seen) {
    const spoken = fields.filter(([name]) => SPEAKERS.some((each) => each.toLowerCase() === name.toLowerCase()));
    assert.deepEqual(spoken, [], 'a field that speaks for the client');
    const chain = valuesOf(fields, 'x-forwarded-for').join().split(', ');
    const client = chain[0] ?? '';
    assert.ok(
      chain.every((each) => isIPv4(each) || (isIPv6(each) && !each.includes('%'))),
      `a chain of ${chain.join()}`,
    );
    const isInside = client.startsWith('10.') || client.startsWith('2001:db8:');
    if (target.startsWith('/open/allowed')) assert.ok(isInside && client !== '10.9.9.9', `${client} may not`);
    if (target.startsWith('/open/denied')) assert.ok(!isInside, `${client} may not`);
  }
}

function says(target: string, fields: string, answers: readonly number[], source: string): KnownCase {
  return {
    name: `${JSON.stringify(fields)} for ${target}`,
    source,
    bytes: request(target, { fields: `${fields}\r\n` }),
    answers,
    ...(answers[0] === 200 && { sees: [`GET ${target}`] }),
  };
}

const ODD = [
  '010.0.0.1',
  '012.0.0.1',
  '0x0a.0.0.1',
  '0xa000001',
  '167772161',
  '10.1',
  '10.0.1',
  '10.0.0.1.',
  '10.0.0.01',
  '10.0.0.256',
  '10.0.0.1/8',
  '10.0.0.1:80',
  '[10.0.0.1]',
  '10.0.0.1%eth0',
  '10.0.0.1 ',
  '1 0.0.0.1',
  '10.0.0.1\xa0',
  '\xa010.0.0.1',
  '"10.0.0.1"',
  'for=10.0.0.1',
  '+10.0.0.1',
  '10,0.0.1',
  '\xd9\xa1\xd9\xa0.0.0.1',
  '\xef\xbc\x91\xef\xbc\x90.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:a00:1',
  '0:0:0:0:0:FFFF:10.0.0.1',
  '::10.0.0.1',
  '::ffff:0:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '2002:a00:1::',
  '2001:db8::1',
  '2001:DB8:0:0::1',
  '[2001:db8::1]',
  '[2001:db8::1]:80',
  '2001:db8::1%eth0',
  '2001:db8::1::',
  '2001:0db8:00000::1',
  '2001:db8',
  'unknown',
  '_hidden',
  '-',
  'localhost',
  '127.0.0.1',
  '::1',
  '',
  ' ',
  '10.9.9.9',
  '::ffff:10.9.9.9',
  '198.51.100.7',
];

/** Cases with one to three fields that name addresses in odd forms. */
function generate({ below }: SeededNumbers): string {
  const any = (texts: readonly string[]): string => texts[below(texts.length)] ?? '';
  const mutated = (): string => {
    const text = any(ODD);
    if (below(4) > 0) return text;
    const at = below(text.length + 1);
    return (
      text.slice(0, at) +
      any(['0', '.', ':', ' ', '\t', '%', 'a', '\xa0', ',', '\0', '-', '/']) +
      text.slice(at + below(2))
    );
  };
  let fields = '';
  for (let count = 1 + below(3); count > 0; count -= 1) {
    const name = below(3) ? 'X-Forwarded-For' : any(SPEAKERS);
    const list = Array.from({ length: 1 + below(below(10) ? 4 : 200) }, mutated);
    fields += `${below(8) ? name : name.toLowerCase()}: ${list.join(any([',', ', ', ' ,', ', \t', ',,']))}\r\n`;
  }
  if (below(8) === 0) fields += 'Connection: X-Forwarded-For\r\n';
  return request(any([ALLOWED, DENIED, '/open/a']), { fields });
}

const compares = ({ target, fields }: SeenRequest): string =>
  [target, ...fields.filter(([name]) => /for|ip$/i.test(name)).map((field) => field.join(': '))].join(' with ');

attackClass({
  name: 'forwarded-address spoofing',
  why: 'Nobody is trusted, so the client is the peer and what it says of its address ends here; HAProxy and nginx pass it on unless told otherwise.',
  settings: { routes: OWN_ROUTES },
  compares,
  check: keepsAddresses,
  known: [
    says(ALLOWED, 'X-Forwarded-For: 10.0.0.1', [403], 'Express, trust proxy'),
    says(ALLOWED, 'X-Real-IP: 10.0.0.1', [403], 'CVE-2022-24112 (Apache APISIX)'),
    ...SPEAKERS.slice(1).map((name) =>
      says(ALLOWED, `${name}: 10.0.0.1`, [403], 'adam-p, The perils of the real client IP, 2022'),
    ),
    says(ALLOWED, 'Forwarded: for=10.0.0.1;by=127.0.0.1', [403], 'RFC 7239 section 8.1'),
    says(DENIED, 'X-Forwarded-For: 10.0.0.1', [200], 'Express, trust proxy'),
    says(DENIED, 'X-Real-IP: 10.0.0.1\r\nTrue-Client-IP: 10.0.0.1', [200], 'CVE-2022-24112 (Apache APISIX)'),
  ],
  generate,
});

const PERILS = 'adam-p, The perils of the real client IP, 2022';
const STRICT = 'RFC 6943 section 3.1.1';

attackClass({
  name: 'forwarded-address spoofing behind a trusted proxy',
  why: 'The rightmost address that no trusted proxy has counts, and has to be exactly one; HAProxy and nginx pass what came unless told otherwise.',
  settings: { trustedProxies: ['127.0.0.1/32', '::1/128', '192.0.2.0/24'], routes: OWN_ROUTES },
  rules: { forwardedFor: /^[0-9a-f:.]+(?:, [0-9a-f:.]+)*(?<=127\.0\.0\.1)$/ },
  compares,
  check: keepsAddresses,
  known: [
    says(ALLOWED, 'X-Forwarded-For: 10.0.0.1', [200], 'SPEC section 4.2'),
    says(DENIED, 'X-Forwarded-For: 10.0.0.1', [403], 'SPEC section 4.2'),
    says(ALLOWED, 'X-Forwarded-For: 10.0.0.1, 198.51.100.7', [403], PERILS),
    says(DENIED, 'X-Forwarded-For: 198.51.100.7, 10.0.0.1', [403], PERILS),
    says(ALLOWED, 'X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 198.51.100.7', [403], PERILS),
    says(DENIED, 'X-Forwarded-For: 198.51.100.7\r\nx-forwarded-for: 10.0.0.1', [403], PERILS),
    says(
      ALLOWED,
      'X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\nX-Real-IP: 10.0.0.1',
      [403],
      'CVE-2022-24112 (Apache APISIX)',
    ),
    says(DENIED, 'X-Forwarded-For: unknown, 10.0.0.1, 192.0.2.1, 127.0.0.1', [403], PERILS),
    says(DENIED, 'X-Forwarded-For: 10.0.0.1\r\nConnection: X-Forwarded-For', [403], 'CVE-2022-31813 (Apache httpd)'),
    says(DENIED, 'X-Forwarded-For: ::ffff:10.0.0.1', [403], 'express-rate-limit pull request 667'),
    says(DENIED, 'X-Forwarded-For: ::ffff:a00:1', [403], 'express-rate-limit pull request 667'),
    says(DENIED, 'X-Forwarded-For: 2001:DB8:0:0::1', [403], 'RFC 5952 section 4'),
    says(ALLOWED, 'X-Forwarded-For: ::10.0.0.1', [403], 'RFC 4291 section 2.5.5.1'),
    says(ALLOWED, 'X-Forwarded-For: 64:ff9b::10.0.0.1', [403], 'RFC 6052 section 2.1'),
    ...['010.0.0.1', '012.0.0.1', '0127.0.0.1'].map((each) =>
      says(ALLOWED, `X-Forwarded-For: ${each}`, [400], 'CVE-2021-28918 (netmask)'),
    ),
    ...['0x0a.0.0.1', '0xa000001', '10.1', '167772161'].map((each) =>
      says(ALLOWED, `X-Forwarded-For: ${each}`, [400], 'CVE-2023-42282 (ip)'),
    ),
    ...['10.0.0.1:80', '[2001:db8::1]', '[2001:db8::1]:80', '"10.0.0.1"', 'unknown', '_hidden'].map((each) =>
      says(ALLOWED, `X-Forwarded-For: ${each}`, [400], 'RFC 7239 section 6'),
    ),
    ...['10.0.0.1/8', '10.0.0.256', '2001:db8::1%eth0', '10.0.0.1\xa0', '\xa010.0.0.1', '', ',10.0.0.1,'].map((each) =>
      says(ALLOWED, `X-Forwarded-For: ${each}`, [400], STRICT),
    ),
    says(DENIED, 'X-Forwarded-For: 010.0.0.1', [400], 'CVE-2021-28918 (netmask)'),
    says(DENIED, `X-Forwarded-For: ${'198.51.100.7, '.repeat(600)}10.0.0.1`, [403], PERILS),
    says(DENIED, `X-Forwarded-For: 10.0.0.1${', 192.0.2.1'.repeat(600)}`, [403], PERILS),
  ],
  generate,
});
