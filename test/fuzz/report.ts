// What the fuzzer says: a line every ten seconds, what was found with the command that shows it again, a summary.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Campaign, Discovery } from './campaign.ts';
import { type FuzzCase, TARGET_NAMES, type TargetName } from './fuzz-case.ts';
import { UsageFault } from './options.ts';

/** `client 12,000 (640/s), upstream 9,000 (500/s): nothing found` */
export function progressLine(campaigns: readonly Campaign[], elapsedMs: number): string {
  const counts = campaigns.map(({ target, tried, rate }) => `${target.name} ${tried.toLocaleString('en')} (${rate}/s)`);
  const found = campaigns.filter(({ discovery }) => discovery !== null).length;
  return `${Math.round(elapsedMs / 1000)} s: ${counts.join(', ')}; ${found === 0 ? 'nothing' : found} found`;
}

/** The summary as one object of JSON. */
export function summary(campaigns: readonly Campaign[], seed: number, elapsedMs: number): string {
  const targets = Object.fromEntries(
    campaigns.map(({ target, tried, rate, discovery }) => [
      target.name,
      { cases: tried, casesPerSecond: rate, found: discovery === null ? 0 : 1 },
    ]),
  );
  const found = campaigns.flatMap(({ discovery }) => discovery ?? []);
  return JSON.stringify({ seed, seconds: Math.round(elapsedMs / 1000), targets, found });
}

/** What was found, for people; the smallest case is in a file of its own. */
export function tellDiscovery(discovery: Discovery): string {
  const { target, seed, caseNumber, rule, detail, smallest, isReproduced } = discovery;
  const file = join(mkdtempSync(join(tmpdir(), 'portcullis-fuzz-')), `${target}.json`);
  writeFileSync(file, `${JSON.stringify({ target, seed, caseNumber, rule, cases: smallest }, null, 2)}\n`);
  const which = caseNumber === null ? `${smallest.length} cases together` : `case ${caseNumber}`;
  return [
    `FOUND by ${target}, seed ${seed}, ${which}: ${rule}`,
    `  ${detail}`,
    ...(isReproduced ? [] : ['  It was seen once and not again: all cases that were under way then are in the file.']),
    ...(smallest.length > 3 ? [] : smallest.map((each) => `  smallest: ${JSON.stringify(each)}`)),
    `  kept in ${file}`,
    `  shown again by: npm run fuzz -- --replay ${file}`,
    ...(caseNumber === null
      ? []
      : [`  from the seed: npm run fuzz -- --seed ${seed} --only ${target} --case ${caseNumber}`]),
  ].join('\n');
}

/** What a file of {@link tellDiscovery} holds. @throws {UsageFault} where it is none */
export function readCases(file: string): { readonly target: TargetName; readonly cases: readonly FuzzCase[] } {
  try {
    const { target, cases } = JSON.parse(readFileSync(file, 'utf8')) as { target: TargetName; cases: FuzzCase[] };
    if (
      TARGET_NAMES.includes(target) &&
      cases.every(({ setting, parts }) => setting !== undefined && parts.length >= 0)
    )
      return { target, cases };
  } catch (cause) {
    throw new UsageFault(`--replay takes a file that the fuzzer has kept a case in; ${file} is none`, { cause });
  }
  throw new UsageFault(`--replay takes a file that the fuzzer has kept a case in; ${file} is none`);
}
