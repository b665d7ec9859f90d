import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog } from '../../src/record/log.ts';
import { timeText } from '../../src/record/time-text.ts';
import { KeptLines } from '../support/kept-lines.ts';

describe('the log', () => {
  it('writes JSON lines that begin with time, level and msg', () => {
    const kept = new KeptLines();
    const log = createLog({ level: 'debug', destination: kept });
    log.debug('one');
    log.info('two', { file: '/etc/portcullis.yaml', attempts: 3 });
    log.warn('three');
    log.error('four');
    for (const line of kept.lines) assert.deepEqual(Object.keys(line).slice(0, 3), ['time', 'level', 'msg']);
    assert.deepEqual(
      kept.lines.map(({ level, msg }) => `${String(level)} ${String(msg)}`),
      ['debug one', 'info two', 'warn three', 'error four'],
    );
    const { time, ...second } = kept.lines[1]!;
    assert.deepEqual(second, { level: 'info', msg: 'two', file: '/etc/portcullis.yaml', attempts: 3 });
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 10_000);
  });

  it('writes nothing below its level, which can change', () => {
    const kept = new KeptLines();
    const log = createLog({ level: 'warn', destination: kept });
    log.info('unwanted');
    log.setLevel('info');
    log.info('wanted');
    assert.deepEqual(
      kept.lines.map(({ msg }) => msg),
      ['wanted'],
    );
  });

  it('writes an error with its causes, and nothing that was hung on it', () => {
    const kept = new KeptLines();
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const error = Object.assign(new TypeError('the store cannot be asked', { cause }), {
      command: { name: 'get', args: ['ptc_live_secret'] },
    });
    const log = createLog({ level: 'info', destination: kept });
    log.error('failed', { err: error, fault: error });
    const [line] = kept.lines;
    for (const field of ['err', 'fault']) {
      const written = line?.[field] as Record<string, unknown>;
      assert.equal(written['type'], 'TypeError');
      assert.equal(written['message'], 'the store cannot be asked');
      assert.equal((written['cause'] as Record<string, unknown>)['code'], 'ECONNREFUSED');
    }
    assert.ok(!kept.text.includes('ptc_live_secret'));
  });

  it('survives any value', () => {
    const kept = new KeptLines();
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    const log = createLog({ level: 'info', destination: kept });
    log.info('odd', {
      loop,
      big: 10n,
      gone: undefined,
      text: 'x'.repeat(9_999),
      list: Array(1_000).fill(1),
      nan: Number.NaN,
    });
    assert.equal(kept.lines.length, 1);
    assert.ok(kept.text.length < 2_000);
  });
});

describe('times in the log', () => {
  it('are those of Date, to the millisecond', () => {
    for (const at of [0, 999, 1_000, 1_767_225_599_999, 1_767_225_600_000, 1_767_225_600_007, 1_767_225_600_042.9, 5])
      assert.equal(timeText(at), new Date(at).toISOString());
  });
});
