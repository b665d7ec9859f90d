import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeyUsage } from '../../src/record/key-usage.ts';

const PLACES = 20;
const MINUTE = 60_000;

function published(usage: KeyUsage, nowMs: number): Map<string, number> {
  return new Map(usage.publish(nowMs).map(({ labels, value }) => [labels['key']!, value]));
}

function use(usage: KeyUsage, id: string, times: number): void {
  for (let at = 0; at < times; at++) usage.count(id);
}

describe('key usage', () => {
  it('names every key while there are few, from its first use', () => {
    const usage = new KeyUsage(PLACES, 0);
    use(usage, 'a', 3);
    use(usage, 'b', 1);
    assert.deepEqual(
      [...published(usage, 1)],
      [
        ['a', 3],
        ['b', 1],
        ['other', 0],
      ],
    );
  });

  it('counts a key whose id is `other` among the others, in one series', () => {
    const usage = new KeyUsage(PLACES, 0);
    use(usage, 'other', 2);
    assert.deepEqual([...published(usage, 1)], [['other', 2]]);
  });

  it('names at most 20 keys and counts all others together, whatever number of keys there is', () => {
    const usage = new KeyUsage(PLACES, 0);
    const uses = 300_000;
    for (let at = 0; at < uses; at++) usage.count(`key-${at}`);
    const series = published(usage, 1);
    assert.equal(series.size, PLACES + 1);
    assert.equal(
      [...series.values()].reduce((sum, value) => sum + value, 0),
      uses,
    );
  });

  it('finds the busiest keys among a hundred thousand that came before them', () => {
    const usage = new KeyUsage(PLACES, 0);
    let scrapeAtMs = 0;
    for (let round = 0; round < 4; round++) {
      for (let at = 0; at < 100_000; at++) {
        usage.count(`stranger-${at}`);
        if (at % 100 === 0) for (let busy = 0; busy < PLACES; busy++) usage.count(`busy-${busy}`);
      }
      published(usage, (scrapeAtMs += MINUTE));
    }
    const named = [...published(usage, scrapeAtMs + 1).keys()].filter((key) => key.startsWith('busy-'));
    assert.equal(named.length, PLACES);
  });

  it('never lets a series go backwards, nor counts a use twice or not at all', () => {
    const usage = new KeyUsage(PLACES, 0);
    const last = new Map<string, number>();
    let seen = 0;
    let used = 0;
    let state = 1;
    for (let scrape = 1; scrape < 300; scrape++) {
      for (let at = 0; at < 500; at++) {
        state = (state * 48_271) % 2_147_483_647;
        // A few busy keys that change over time, and many others.
        usage.count(state % 3 === 0 ? `key-${state % 1_000}` : `shift-${Math.floor(scrape / 100)}-${state % 10}`);
        used++;
      }
      const series = published(usage, scrape * 15_000);
      assert.ok(series.size <= PLACES + 1);
      for (const key of last.keys()) if (!series.has(key)) last.delete(key);
      for (const [key, value] of series) {
        const before = last.get(key);
        if (before === undefined) {
          // What `rate` sees of a series that begins later is only exact if it begins at 0.
          if (scrape > 1) assert.equal(value, 0, `${key} begins at 0`);
          else seen += value;
        } else {
          assert.ok(value >= before, `${key} went from ${before} to ${value}`);
          seen += value - before;
        }
        last.set(key, value);
      }
    }
    assert.equal(seen, used);
    assert.equal([...last.keys()].filter((key) => key.startsWith('shift-2-')).length, 10);
  });

  it('does not pass seats around among keys that are about as busy', () => {
    const usage = new KeyUsage(PLACES, 0);
    let state = 7;
    const everNamed = new Set<string>();
    for (let scrape = 1; scrape <= 60; scrape++) {
      for (let at = 0; at < 5_000; at++) {
        state = (state * 48_271) % 2_147_483_647;
        usage.count(`key-${state % 2_000}`);
      }
      for (const key of published(usage, scrape * MINUTE).keys()) everNamed.add(key);
    }
    assert.ok(everNamed.size <= PLACES + 1 + 5, `${everNamed.size} series`);
  });
});
