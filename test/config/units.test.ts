// Durations, sizes and dates as people write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationMs, expiryMs, sizeBytes } from '../../src/config/units.ts';

test('a duration is a whole number and one unit', () => {
  assert.deepEqual(
    ['250ms', '10s', '5m', '24h', '30d'].map(durationMs),
    [250, 10_000, 300_000, 86_400_000, 2_592_000_000],
  );
  for (const text of ['', '10', '1.5s', '-1s', '1 s', '1S', '1h30m', '1w', ' 1s'])
    assert.equal(durationMs(text), undefined);
});

test('a size is a whole number and one binary unit', () => {
  assert.deepEqual(['512B', '16KiB', '10MiB', '1GiB'].map(sizeBytes), [512, 16_384, 10_485_760, 1_073_741_824]);
  for (const text of ['', '10', '10MB', '10M', '1.5MiB', '10mib']) assert.equal(sizeBytes(text), undefined);
});

test('a date lasts to its end in UTC, a time has a zone, and both are in the calendar', () => {
  assert.equal(expiryMs('2027-12-31'), Date.UTC(2028, 0, 1));
  assert.equal(expiryMs('2027-12-31T12:00:00+02:00'), Date.UTC(2027, 11, 31, 10));
  assert.equal(expiryMs('2028-02-29'), Date.UTC(2028, 2, 1));
  for (const text of [
    '2027-02-29',
    '2027-02-30T00:00Z',
    '2027-13-01',
    '2027-12-31T12:00:00',
    '2027-12-31T25:00Z',
    '31.12.2027',
    '',
  ])
    assert.equal(expiryMs(text), undefined, text);
});
