import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { parseAddress, sourcePrefix } from '../../src/core/address.ts';
import { compileNetworks, parseCidr } from '../../src/core/networks.ts';
import { FUZZ_SEED } from '../support/seeded-numbers.ts';

for (const text of [
  '010.0.0.1',
  '10.1',
  '0x7f.1',
  '2130706433',
  'fe80::1%eth0',
  '1.2.3.4 ',
  '1.2.3.4.5',
  '256.1.1.1',
  '::ffff:1.2.3',
  '',
  '1.2.3.4:80',
  '[::1]',
]) {
  test(`an address that is not exactly one is refused: ${JSON.stringify(text)}`, () => {
    assert.equal(parseAddress(text), undefined);
  });
}

test('an IPv4-mapped address is its IPv4 address', () => {
  assert.deepEqual(parseAddress('::ffff:10.1.2.3'), parseAddress('10.1.2.3'));
  assert.deepEqual(parseAddress('::FFFF:0a01:0203'), parseAddress('10.1.2.3'));
});

test('an address that only ends in an IPv4 address is not that one', () => {
  assert.deepEqual(parseAddress('::10.1.2.3'), parseAddress('::a01:203'));
  assert.deepEqual(parseAddress('64:ff9b::10.1.2.3'), parseAddress('64:ff9b::a01:203'));
  assert.equal(parseAddress('::10.1.2.3')?.family, 6);
  assert.equal(compileNetworks(['10.0.0.0/8'], []).permits(parseAddress('::10.1.2.3')!), false);
});

test('attempts are counted by IPv4 address or IPv6 /64', () => {
  assert.equal(sourcePrefix(parseAddress('10.1.2.3')!), '10.1.2.3');
  assert.equal(sourcePrefix(parseAddress('2001:db8::1')!), sourcePrefix(parseAddress('2001:db8::ffff:1')!));
  assert.notEqual(sourcePrefix(parseAddress('2001:db8:0:1::1')!), sourcePrefix(parseAddress('2001:db8::1')!));
});

for (const text of [
  '10.1.0.0/8',
  '10/8',
  '::ffff:10.0.0.0/104',
  'fe80::%1/64',
  '10.0.0.0/33',
  '10.0.0.0/08',
  '10.0.0.0',
  '::/129',
  '2001:db8::1/32',
  '10.0.0.0/',
  '/8',
  '010.0.0.0/8',
  '10.0.0.0/-1',
  'x',
]) {
  test(`a CIDR that is not canonical is refused with a cure: ${text}`, () => {
    const parsed = parseCidr(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.problem, /\w{3}/);
  });
}

test('deny wins, and an empty allow list allows all', () => {
  const at = (text: string) => parseAddress(text)!;
  const lists = compileNetworks(['10.0.0.0/8', '2001:db8::/32'], ['10.1.0.0/16']);
  assert.ok(lists.permits(at('10.2.0.1')));
  assert.ok(lists.permits(at('2001:db8::1')));
  assert.ok(!lists.permits(at('10.1.0.1')));
  assert.ok(!lists.permits(at('11.0.0.1')));
  assert.ok(compileNetworks([], ['10.0.0.0/8']).permits(at('11.0.0.1')));
  assert.ok(!compileNetworks([], ['::/0']).permits(at('::1')));
  assert.ok(compileNetworks([], ['::/0']).permits(at('1.1.1.1')));
});

test('the compiled lists agree with ipaddr.js on every address', () => {
  const v4 = fc.tuple(fc.constantFrom(10, 11), fc.nat(3), fc.nat(3), fc.nat(255)).map((parts) => parts.join('.'));
  const v6 = fc.tuple(fc.nat(3), fc.nat(0xffff)).map(([a, b]) => `2001:db8:${a}::${b.toString(16)}`);
  const cidr = fc.oneof(
    fc
      .tuple(v4, fc.integer({ min: 6, max: 32 }))
      .map(([base, prefix]) => `${ipaddr.IPv4.networkAddressFromCIDR(`${base}/${prefix}`).toString()}/${prefix}`),
    fc
      .tuple(v6, fc.integer({ min: 30, max: 128 }))
      .map(([base, prefix]) => `${ipaddr.IPv6.networkAddressFromCIDR(`${base}/${prefix}`).toString()}/${prefix}`),
  );
  fc.assert(
    fc.property(
      fc.array(cidr, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(v4, v6), { minLength: 8, maxLength: 8 }),
      (allow, addresses) => {
        const lists = compileNetworks(allow, []);
        for (const address of addresses) {
          const parsed = ipaddr.parse(address);
          const expected = allow.some((block) => {
            const [base, prefix] = ipaddr.parseCIDR(block);
            return base.kind() === parsed.kind() && parsed.match(base, prefix);
          });
          assert.equal(lists.permits(parseAddress(address)!), expected, `${address} in ${allow.join(' ')}`);
        }
      },
    ),
    { seed: FUZZ_SEED, numRuns: 1_000, verbose: 1 },
  );
});
