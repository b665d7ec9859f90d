// The fuzzer without its command line: targets take turns until the time is up or somebody ends it.
import { found as foundOut } from '../support/findings.ts';
import { Campaign, type Discovery } from './campaign.ts';
import type { FuzzTarget } from './fuzz-case.ts';
import type { Options } from './options.ts';
import { progressLine, readCases, summary, tellDiscovery } from './report.ts';

const PROGRESS_MS = 10_000;

export interface FuzzRun extends Options {
  readonly targets: readonly FuzzTarget[];
  readonly say: (line: string) => void;
  /** Ends the run early, with its summary. */
  readonly signal: AbortSignal;
}

/** Runs it and gives what was found. */
export async function fuzz(run: FuzzRun): Promise<readonly Discovery[]> {
  const { seed, say, signal } = run;
  const startedAt = performance.now();
  const kept = run.replay === null ? null : readCases(run.replay);
  const only = kept === null ? run.only : [kept.target];
  const campaigns = run.targets
    .filter(({ name }) => only.includes(name))
    .map((target) => new Campaign(target, seed, signal));
  const elapsedMs = (): number => performance.now() - startedAt;
  say(`seed ${seed}: ${campaigns.map(({ target }) => target.name).join(', ')}`);
  const told = setInterval(() => say(progressLine(campaigns, elapsedMs())), PROGRESS_MS);
  try {
    const [first] = campaigns;
    if (first && kept !== null) await first.replay(kept.cases, null);
    else if (first && run.caseNumber !== null) await first.replay([first.caseOf(run.caseNumber)], run.caseNumber);
    else await takeTurns(campaigns, run, () => elapsedMs() >= run.seconds * 1000);
    if (first?.discovery && (kept !== null || run.caseNumber !== null)) say(tellDiscovery(first.discovery));
  } finally {
    clearInterval(told);
    for (const campaign of campaigns) await campaign.close();
  }
  const found = campaigns.flatMap(({ discovery }) => discovery ?? []);
  say(progressLine(campaigns, elapsedMs()));
  const isWhole = kept === null && run.caseNumber === null && !signal.aborted;
  if (isWhole && found.length === 0) tellNothingFound(campaigns, seed, elapsedMs(), say);
  if (run.isJson) say(summary(campaigns, seed, elapsedMs()));
  return found;
}

/** For the page of what was measured. */
function tellNothingFound(campaigns: readonly Campaign[], seed: number, elapsedMs: number, say: FuzzRun['say']): void {
  foundOut(
    { diagnostic: say },
    {
      rule: 'fuzzing',
      tried: `${Math.round(elapsedMs / 1000)} s of the fuzzer, seed ${seed}`,
      promised: '0 found',
      seen: `0 in ${campaigns.map(({ target, tried }) => `${tried.toLocaleString('en')} cases of ${target.name}`).join(', ')}`,
    },
  );
}

/** A batch each in turn; one that has found something rests. */
async function takeTurns(
  campaigns: readonly Campaign[],
  { signal, say }: Pick<FuzzRun, 'signal' | 'say'>,
  isTimeUp: () => boolean,
): Promise<void> {
  try {
    for (;;) {
      const going = campaigns.filter(({ discovery }) => discovery === null);
      if (going.length === 0 || isTimeUp()) return;
      for (const campaign of going) {
        if (signal.aborted) return;
        await campaign.step();
        if (campaign.discovery) say(tellDiscovery(campaign.discovery));
      }
    }
  } catch (fault) {
    // A terminal's Ctrl-C ends the servers under fuzz, too.
    if (!signal.aborted) throw fault;
  }
}
