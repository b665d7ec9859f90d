import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCredential } from '../../src/checks/read-credential.ts';
import type { CredentialPlaces } from '../../src/core/policy.ts';

const PLACES: CredentialPlaces = { header: 'x-api-key', acceptsBearer: true, query: null, prefix: 'ptc_live' };

const LAST = ['Accept', '*/*'] as const;

function read(fields: readonly (readonly [string, string])[], places: Partial<CredentialPlaces> = {}, query = '') {
  const credential = readCredential({ ...PLACES, ...places }, fields.flat(), query);
  return credential.kind === 'one' ? credential.text : credential.kind;
}

test('the one credential is found in the header or behind the Bearer scheme, in any case and spacing', () => {
  const secret = 'a-key-that-somebody-has';
  for (const [name, value] of [
    ['x-api-key', secret],
    ['X-Api-KEY', ` ${secret}\t`],
    ['authorization', `Bearer ${secret}`],
    ['Authorization', `bEARER \t  ${secret} `],
  ] as const) {
    assert.equal(read([['Host', 'a'], [name, value], LAST]), secret, `${name}: ${value}`);
  }
});

test('a no-break space belongs to the key: it is the last byte of à', () => {
  assert.equal(read([['x-api-key', ' caf\u00c3\u00a0\t']]), 'caf\u00c3\u00a0');
  assert.equal(read([['Authorization', 'Bearer caf\u00c3\u00a0']]), 'caf\u00c3\u00a0');
  assert.equal(read([['Authorization', '\u00a0Bearer a-key']]), 'none');
});

test('what is not the Bearer scheme is no credential', () => {
  for (const value of ['Basic dXNlcg==', 'Bearerx y', 'Bear er x', 'beare', '', 'Bearer\vx']) {
    assert.equal(read([['authorization', value]]), 'none', value);
  }
  assert.equal(read([['authorization', 'Bearer a-key']], { acceptsBearer: false }), 'none');
  assert.equal(read([['x-api-keys', 'a-key']]), 'none');
});

test('a Bearer scheme without a key is a credential, and so is an empty header', () => {
  assert.equal(read([['authorization', 'Bearer']]), '');
  assert.equal(read([['authorization', ' bearer ']]), '');
  assert.equal(read([['x-api-key', '']]), '');
});

test('more than one credential is ambiguous wherever they stand', () => {
  const key = ['x-api-key', 'one'] as const;
  const bearer = ['authorization', 'Bearer one'] as const;
  const basic = ['Authorization', 'Basic dXNlcg=='] as const;
  const query = { query: 'api_key' };
  assert.equal(read([key, ['X-API-Key', 'one']]), 'many');
  assert.equal(read([key, bearer]), 'many');
  assert.equal(read([bearer, bearer]), 'many');
  // One reader would take the first Authorization, another the last.
  assert.equal(read([bearer, basic]), 'many');
  assert.equal(read([key, basic, basic]), 'many');
  assert.equal(read([key, basic]), 'one');
  assert.equal(read([key], query, '?api_key=two'), 'many');
  assert.equal(read([], query, '?api_key=one&api_key=two'), 'many');
});

test('a credential in the query counts only where the configuration names its parameter', () => {
  assert.equal(read([], {}, '?api_key=one'), 'none');
  assert.equal(read([], { query: 'api_key' }, '?a=b&api_key=%C3%A9'), Buffer.from('é').toString('latin1'));
  assert.equal(read([], { query: 'api_key' }, '?api%5Fkey=one'), 'one');
  assert.equal(read([], { query: 'api_key' }, '?api_key'), '');
});

test('a header that is called Authorization by configuration is taken as it stands', () => {
  const places = { header: 'authorization' };
  assert.equal(read([['Authorization', 'a-key']], places), 'a-key');
  assert.equal(read([['Authorization', 'Bearer a-key']], places), 'Bearer a-key');
});

test('only blanks and tabs around a key are none of it: with any other white space it is another text', () => {
  for (const space of ['\u00a0', '\u000b', '\u000c']) {
    assert.equal(read([['x-api-key', `a-key${space}`]]), `a-key${space}`);
    assert.equal(read([['authorization', `Bearer ${space}a-key`]]), `${space}a-key`);
  }
});
