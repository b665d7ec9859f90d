import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BOUNDS } from '../../src/core/bounds.ts';
import type { RequestRecord } from '../../src/core/ports.ts';
import { type LogLevel, createLog } from '../../src/record/log.ts';
import { RequestLog } from '../../src/record/request-log.ts';
import { requestRecord } from '../support/request-records.ts';
import { KeptLines } from '../support/kept-lines.ts';

const FIELDS = [
  'time',
  'level',
  'msg',
  'requestId',
  'traceId',
  'client',
  'peer',
  'route',
  'method',
  'path',
  'status',
  'outcome',
  'reason',
  'key',
  'owner',
  'missing',
  'limit',
  'overheadMs',
  'upstreamMs',
  'bytesIn',
  'bytesOut',
  'userAgent',
];

function lineOf(differs: Partial<RequestRecord>, level: LogLevel = 'info', requests: 'all' | 'denied' = 'all'): string {
  const kept = new KeptLines();
  new RequestLog(createLog({ level, destination: kept }), requests).write(requestRecord(differs));
  return kept.text;
}

function fieldsOf(differs: Partial<RequestRecord>): Record<string, unknown> {
  return JSON.parse(lineOf(differs)) as Record<string, unknown>;
}

const NOTHING_KNOWN: Partial<RequestRecord> = {
  traceId: null,
  client: null,
  route: null,
  path: null,
  keyId: null,
  owner: null,
  upstreamMs: null,
  userAgent: null,
};

describe('the request log', () => {
  it('has the fields of the specification in their order', () => {
    assert.deepEqual(Object.keys(fieldsOf({})), FIELDS);
    const { time, ...rest } = fieldsOf({});
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 10_000);
    assert.deepEqual(rest, {
      level: 'info',
      msg: 'request',
      requestId: '0195b2f0-8f5c-7d3a-b1f2-3d5c7e9a0b1c',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      client: '203.0.113.9',
      peer: '10.0.0.2',
      route: 'read-orders',
      method: 'GET',
      path: '/orders/7',
      status: 200,
      outcome: 'allowed',
      reason: 'key',
      key: 'billing-job',
      owner: 'acme',
      missing: null,
      limit: null,
      overheadMs: 0.25,
      upstreamMs: 11,
      bytesIn: 0,
      bytesOut: 200,
      userAgent: 'curl/8.5.0',
    });
  });

  it('has the same fields, with null, where a fact is not known', () => {
    const fields = fieldsOf(NOTHING_KNOWN);
    assert.deepEqual(Object.keys(fields), FIELDS);
    for (const name of ['traceId', 'client', 'route', 'path', 'key', 'owner', 'upstreamMs', 'userAgent'])
      assert.equal(fields[name], null, name);
  });

  it('names missing scopes, used-up limits and what was wrong', () => {
    const fields = fieldsOf({ missing: ['orders:write', 'a:b'], violated: ['burst', 'daily'], detail: 'Host' });
    assert.deepEqual(fields['missing'], ['orders:write', 'a:b']);
    assert.equal(fields['limit'], 'burst,daily');
    assert.equal(fields['detail'], 'Host');
  });

  it('is one line of valid JSON whatever a client sends', () => {
    const hostile = [
      'a"b\\c',
      'line\nbreak\r\n{"level":"error"}',
      '\u0000\u001b[31m\u007f\u009b2J',
      '\u2028\u2029\u202e',
      '\ud800 lone',
      'ü€😀',
      '__proto__',
    ];
    for (const text of hostile) {
      const line = lineOf({ userAgent: text, method: text, path: text, traceId: text, detail: text });
      assert.equal(line.indexOf('\n'), line.length - 1);
      // oxlint-disable-next-line no-control-regex -- what must not be there
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
      assert.equal((JSON.parse(line) as { level: string }).level, 'info');
    }
    assert.equal(fieldsOf({ userAgent: 'ü€😀 "q"' })['userAgent'], 'ü€😀 "q"');
  });

  it('bounds every value', () => {
    const long = 'x'.repeat(100_000);
    const fields = fieldsOf({
      userAgent: long,
      path: long,
      method: long,
      violated: [long, long],
      missing: Array.from({ length: 5_000 }, () => long),
    });
    for (const name of ['userAgent', 'path', 'method', 'limit']) {
      assert.equal(String(fields[name]).length, BOUNDS.logFieldLength, name);
      assert.ok(String(fields[name]).endsWith('…'));
    }
    assert.ok(JSON.stringify(fields['missing']).length < 64 * (BOUNDS.logFieldLength + 3) + 2);
  });

  it('writes null for a number that is none', () => {
    assert.equal(fieldsOf({ overheadMs: Number.NaN })['overheadMs'], null);
    assert.equal(fieldsOf({ bytesOut: Number.POSITIVE_INFINITY })['bytesOut'], null);
  });

  it('with `requests: denied` writes only what was denied or observed', () => {
    assert.equal(lineOf({}, 'info', 'denied'), '');
    assert.notEqual(lineOf({ outcome: 'denied', reason: 'revoked', status: 401 }, 'info', 'denied'), '');
    assert.notEqual(lineOf({ outcome: 'observed', reason: 'rate_limited' }, 'info', 'denied'), '');
  });

  it('writes at level error what the gateway answered with 5xx, all else at info', () => {
    const failed: Partial<RequestRecord> = { outcome: 'denied', reason: 'store_unavailable', status: 503 };
    assert.equal(fieldsOf(failed)['level'], 'error');
    assert.equal(fieldsOf({ status: 503 })['level'], 'info');
    assert.equal(fieldsOf({ outcome: 'denied', reason: 'unknown', status: 401 })['level'], 'info');
    assert.equal(lineOf({}, 'warn'), '');
    assert.notEqual(lineOf(failed, 'error'), '');
  });
});
