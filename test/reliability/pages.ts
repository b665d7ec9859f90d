// The two pages that are made of what tests and benchmarks saw: docs/reliability.md and docs/attacks.md.
import type { AttackFinding, Comparison, Finding, PromiseFinding } from '../support/findings.ts';
import { PROMISES } from './promises.ts';

/** What is measured beside the promises. */
export const RULES: readonly string[] = ['constant time', 'fuzzing'];

/** What the figures were measured on, a line each: `2 cores`, `Node 26.10.0`. */
export interface Measured {
  /** `2026-11-25`. */
  readonly day: string;
  readonly on: readonly string[];
}

/**
 * docs/reliability.md.
 * @throws Error naming every promise that nothing was measured of
 */
export function reliabilityPage(findings: readonly Finding[], measured: Measured): string {
  const promises = findings.filter((each) => 'promise' in each);
  const attacks = findings
    .filter((each) => 'generated' in each)
    .toSorted((a, b) => a.attackClass.localeCompare(b.attackClass));
  const others = findings.filter((each) => 'rule' in each);
  const numbers = PROMISES.map((_text, at) => at + 1);
  const missing = numbers.filter((number) => !promises.some(({ promise }) => promise === number));
  if (missing.length > 0) throw new Error(`Nothing was measured of promise ${missing.join(', ')}.`);
  if (attacks.length === 0) throw new Error('No attack class was run.');
  for (const rule of RULES)
    if (!others.some((each) => each.rule === rule)) throw new Error(`Nothing was measured of ${rule}.`);
  return `# Reliability: what is promised, and what was measured

Made by \`npm run reliability\`: it runs every test and benchmark that measures a promise, at full size, against real servers, and writes this
page only if all tests pass; a figure of a benchmark that is not as promised is marked. Measured on ${measured.day}: ${measured.on.join(', ')}. Figures of time are this machine's; counts are anybody's.

| # | promise | tried | kept |
|---|---|---|---|
${numbers.map((number) => `| ${number} | ${PROMISES[number - 1]} | ${ways(promises, number)} | [${kept(promises, number)}](#promise-${number}) |`).join('\n')}

## Attacks

${total(attacks)} The invariant of each: what the upstream saw is what was authorised, byte for byte in path and
identity, and the process lives. What HAProxy and nginx make of the published cases is in [attacks.md](attacks.md).

| class | published cases sent | generated cases sent | unauthorised requests upstream |
|---|---|---|---|
${attacks.map((row) => `| ${row.attackClass} | ${count(row.known)} | ${count(row.generated)} | ${row.unauthorised} |`).join('\n')}

## Also measured

| rule | tried | promised | seen |
|---|---|---|---|
${others.map((row) => `| ${[row.rule, row.tried, row.promised, seen(row)].map(cell).join(' | ')} |`).join('\n')}

${numbers.map((number) => section(promises, number)).join('\n\n')}
`;
}

/** docs/attacks.md. */
export function attacksPage(findings: readonly Finding[]): string {
  const rows = findings.filter((each) => 'portcullis' in each);
  const classes = [...new Set(rows.map(({ attackClass }) => attackClass))].toSorted();
  return `# Attacks: the published cases, beside HAProxy and nginx

Made by \`npm run reliability\`. The same bytes go to Portcullis, HAProxy and nginx (Debian's packages, \`/admin\` closed in each), a plain request behind
them. Shown are the statuses that came back and what the upstream saw of the case. A reason stands where one of them forwards otherwise.

${classes.map((name) => comparisons(name, rows)).join('\n\n')}
`;
}

function kept(rows: readonly PromiseFinding[], number: number): string {
  return rows.some(({ promise, isMissed }) => promise === number && isMissed) ? 'NOT WHOLLY' : 'yes';
}

/** A figure, and whether it is not as promised. */
function seen({ seen: figure, isMissed }: Pick<PromiseFinding, 'seen' | 'isMissed'>): string {
  return isMissed ? `MISSED: ${figure}` : figure;
}

function ways(rows: readonly PromiseFinding[], number: number): string {
  const tried = rows.filter(({ promise }) => promise === number).length;
  return tried === 1 ? 'in one way' : `in ${tried} ways`;
}

function total(attacks: readonly AttackFinding[]): string {
  const known = attacks.reduce((sum, row) => sum + row.known, 0);
  const generated = attacks.reduce((sum, row) => sum + row.generated, 0);
  return `${attacks.length} classes, ${count(known + generated)} cases sent: ${count(known)} of published ones, ${count(generated)} of ones from a seed.`;
}

function section(rows: readonly PromiseFinding[], number: number): string {
  const own = rows.filter(({ promise }) => promise === number).toSorted((a, b) => a.tried.localeCompare(b.tried));
  return `## Promise ${number}

${PROMISES[number - 1]}

| tried | promised | seen |
|---|---|---|
${own.map((row) => `| ${[row.tried, row.promised, seen(row)].map(cell).join(' | ')} |`).join('\n')}`;
}

function comparisons(name: string, rows: readonly Comparison[]): string {
  const own = rows.filter(({ attackClass }) => attackClass === name);
  return `## ${name}

| case | source | Portcullis | HAProxy | nginx | why ours is right |
|---|---|---|---|---|---|
${own
  .map((row) => [row.attack, row.source, row.portcullis, row.haproxy, row.nginx, row.why].map(cell))
  .map((cells) => `| ${cells.join(' | ')} |`)
  .join('\n')}`;
}

/** Text as it stands in a cell of a Markdown table: nothing in it is markup. */
function cell(text: string): string {
  const visible = text.replaceAll(/[^\x20-\x7e]/g, (character) => JSON.stringify(character).slice(1, -1));
  return visible.replaceAll(/[\\|<>*_`[\]#~]/g, (character) => `\\${character}`);
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}
