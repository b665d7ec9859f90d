import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileHeaderRules, outgoingFields, withoutCredential } from '../../src/forward/headers.ts';

const credentials = { header: 'x-api-key', acceptsBearer: true, query: 'api_key', prefix: 'ptc_live' };
const identity = { owner: 'X-Consumer-Id', key: 'X-Who.Key', roles: null, scopes: 'X-Authenticated-Scope' };
const rules = compileHeaderRules(credentials, identity);
const OURS = [
  'X-Forwarded-For',
  '10.0.0.9',
  'X-Forwarded-Proto',
  'http',
  'X-Forwarded-Host',
  'api.example.com',
  'X-Request-Id',
  'request-1',
  'X-Consumer-Id',
  'acme',
];

function outgoing(rawHeaders: readonly string[], by = rules, forwardedFor: readonly string[] = []): string[] {
  return outgoingFields(by, {
    rawHeaders,
    identityFields: ['X-Consumer-Id', 'acme'],
    forwardedFor,
    peer: '10.0.0.9',
    proto: 'http',
    host: 'api.example.com',
    requestId: 'request-1',
  });
}

describe('the upstream gets end-to-end fields, in order and as they were, then ours', () => {
  test('fields of any other name pass, duplicates and odd spellings too', () => {
    const sent = ['Cookie', 'a=1', 'cookie', 'b=2', 'X_Custom', ' v ', 'traceparent', '00-1-2-01', 'tracestate', 'k=v'];
    assert.deepEqual(outgoing(sent), [...sent, ...OURS]);
  });

  test('X-Forwarded-For is the chain as trusted, plus the peer', () => {
    const fields = outgoing([], rules, ['203.0.113.7', '10.1.1.1']);
    assert.equal(fields[fields.indexOf('X-Forwarded-For') + 1], '203.0.113.7, 10.1.1.1, 10.0.0.9');
  });

  test('a message with more names than are remembered is treated the same', () => {
    const many = Array.from({ length: 3000 }, (_each, index) => [`X-Name-${index}`, 'v']).flat();
    const fields = outgoing([...many, 'x_consumer.id', 'mallory', 'X-Kept', '1']);
    assert.deepEqual(fields.slice(0, many.length), many);
    assert.deepEqual(fields.slice(many.length), ['X-Kept', '1', ...OURS]);
  });
});

describe('what never passes, in any case and with `_` or `.` for `-`', () => {
  const names = [
    'X-Api-Key',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'Proxy-Authenticate',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Host',
    'Content-Length',
    'Expect',
    'X-Consumer-Id',
    'X-Who-Key',
    'X-Authenticated-Scope',
    'X-Original-URL',
    'X-Rewrite-URL',
    'Forwarded',
    'X-Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Anything',
    'X-Request-Id',
    'X-HTTP-Method',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'X-Original-URI',
    'X-Original-Method',
    'X-Original-Host',
    'X-Host',
    'X-HTTP-Host-Override',
    'X-Real-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'X-Original-Forwarded-For',
    'Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'Fastly-Client-IP',
  ];
  for (const name of names) {
    test(name, () => {
      const spellings = [
        name,
        name.toLowerCase(),
        name.toUpperCase(),
        name.replaceAll('-', '_'),
        name.replaceAll('-', '.'),
      ];
      for (const spelling of spellings) assert.deepEqual(outgoing([spelling, 'value']), OURS, spelling);
    });
  }
});

describe('the credential is always stripped', () => {
  for (const value of ['Bearer key', 'bearer key', 'BEARER\tkey', '  Bearer key', 'Bearer', 'Bearer,key']) {
    test(`Authorization: ${JSON.stringify(value)}`, () => assert.deepEqual(outgoing(['authorization', value]), OURS));
  }

  for (const value of ['Basic a2V5', 'BearerX key', 'Digest bearer', '']) {
    test(`Authorization: ${JSON.stringify(value)} is no bearer key, and passes`, () => {
      assert.deepEqual(outgoing(['Authorization', value]), ['Authorization', value, ...OURS]);
    });
  }

  test('where bearer keys are off, a bearer token is end-to-end', () => {
    const off = compileHeaderRules({ ...credentials, acceptsBearer: false }, identity);
    assert.deepEqual(outgoing(['Authorization', 'Bearer t'], off), ['Authorization', 'Bearer t', ...OURS]);
  });

  test('where Authorization itself is the key header, every scheme goes', () => {
    const own = compileHeaderRules({ ...credentials, header: 'authorization' }, identity);
    assert.deepEqual(outgoing(['Authorization', 'Basic t'], own), OURS);
  });
});

describe('whatever Connection names ends here', () => {
  test('before and behind it, in several fields, in any case', () => {
    const sent = [
      'X-One',
      '1',
      'Connection',
      'close, x-one ,X-TWO',
      'x-two',
      '2',
      'connection',
      'X-Three,,',
      'X-Three',
      '3',
      'X-Four',
      '4',
    ];
    assert.deepEqual(outgoing(sent), ['X-Four', '4', ...OURS]);
  });

  test('a client cannot take ours away by naming them', () => {
    const named = 'X-Consumer-Id, X-Forwarded-For, X-Forwarded-Host, X-Request-Id, Host, Content-Length, keep-alive';
    assert.deepEqual(outgoing(['Connection', named]), OURS);
  });
});

describe('the query without the credential', () => {
  const cases: readonly (readonly [before: string, after: string])[] = [
    ['', ''],
    ['?', '?'],
    ['?api_key=k', ''],
    ['?api_key', ''],
    ['?a=1&api_key=k&b=%20', '?a=1&b=%20'],
    ['?api_key=1&api_key=2&c', '?c'],
    ['?api_keys=1&xapi_key=2&API_KEY=3', '?api_keys=1&xapi_key=2&API_KEY=3'],
    ['?a&&b=&api_key=x=y', '?a&&b='],
  ];
  for (const [before, after] of cases) {
    test(`${before || '(none)'} becomes ${after || '(none)'}`, () =>
      assert.equal(withoutCredential(before, 'api_key'), after));
  }

  test('without a query credential nothing is touched', () => {
    assert.equal(withoutCredential('?api_key=k', null), '?api_key=k');
  });
});
