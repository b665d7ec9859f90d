// The judge of configuration files: every one is either a policy that decides or a list of problems that a person can act
// on, always the same, within a second, and never one that lets a stranger in unasked.
import { readConfigFile } from '../../../src/config/load.ts';
import { ConfigFault, type ConfigProblem } from '../../../src/config/problem.ts';
import type { Verdict } from '../upstream/judge.ts';
import { ENVIRONMENT } from './grammar.ts';
import { letsStrangersIn } from './stranger.ts';

/** CPU of one file, ms. */
const MOST_MS = 1_000;

export async function judge(text: string): Promise<Verdict | undefined> {
  const before = process.threadCpuUsage();
  const first = await outcomeOf(text);
  const { user, system } = process.threadCpuUsage(before);
  const tookMs = (user + system) / 1000;
  if (tookMs > MOST_MS) return { rule: 'a file is judged within a second', detail: `${Math.round(tookMs)} ms` };
  if ('verdict' in first) return first.verdict;
  const again = await outcomeOf(text);
  if (JSON.stringify(again) !== JSON.stringify(first))
    return {
      rule: 'the same file is judged the same',
      detail: `${JSON.stringify(first)} and then ${JSON.stringify(again)}`,
    };
  return undefined;
}

type Outcome = { readonly said: string } | { readonly verdict: Verdict };

async function outcomeOf(text: string): Promise<Outcome> {
  try {
    const loaded = await readConfigFile({ ok: true, content: Buffer.from(text) }, 'fuzz.yaml', ENVIRONMENT);
    const isOpen = await letsStrangersIn(loaded);
    // An escape or a variable may spell the word in another way.
    const mayBeOpen = /public|preflight|[\\$]/i.test(text);
    if (isOpen && !mayBeOpen)
      return {
        verdict: {
          rule: 'nothing is open that the file does not say is',
          detail: JSON.stringify(loaded.config.routes),
        },
      };
    return { said: loaded.hash };
  } catch (fault) {
    if (!(fault instanceof ConfigFault))
      return {
        verdict: { rule: 'a bad file is told of, not run into', detail: String((fault as Error).stack ?? fault) },
      };
    const bad =
      fault.problems.length === 0 ? 'no problem' : fault.problems.map(flaw).find((each) => each !== undefined);
    if (bad !== undefined)
      return {
        verdict: { rule: 'a problem is a place and a sentence', detail: `${bad}: ${fault.message.slice(0, 2000)}` },
      };
    return { said: fault.message };
  }
}

/** What is wrong with how a problem is told. */
function flaw({ file, line, column, path, message }: ConfigProblem): string | undefined {
  if (file !== 'fuzz.yaml' || !(line >= 1) || !(column >= 1) || !Number.isInteger(line + column)) return 'no place';
  if (path === '' || path.length > 4_000) return 'no path';
  if (!/^\S/.test(message) || message.length > 4_000) return 'no sentence';
  // Words of a file may be repeated, those of a program may not.
  const own = message.replaceAll(/"(?:[^"\\]|\\.)*"/g, '');
  if (/\[object |\bundefined\b|\bat \w+.*\(.*:\d+:\d+\)|Invalid input|Cannot read|is not a function/.test(own))
    return 'words of a program';
  return /\p{Cc}/u.test(path + message) ? 'a control character' : undefined;
}
