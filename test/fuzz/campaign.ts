// One target under fuzz: new cases batch by batch, and, at the first that breaks a rule, the search for the smallest.
import { Draw } from './draw.ts';
import type { Finding, FuzzCase, FuzzSession, FuzzTarget } from './fuzz-case.ts';
import { shrunk, smallestList } from './shrink.ts';

/** What was found, ready to be told. */
export interface Discovery {
  readonly target: string;
  readonly seed: number;
  /** The number of the case; null where it is not one case alone that does it. */
  readonly caseNumber: number | null;
  readonly rule: string;
  readonly detail: string;
  /** Mostly one; several where it takes those before, all of a batch where it was seen once only. */
  readonly smallest: readonly FuzzCase[];
  readonly isReproduced: boolean;
}

const SHRINK_BOUNDS = { tries: 4_000, ms: 45_000 };

export class Campaign {
  readonly target: FuzzTarget;
  readonly #seed: number;
  readonly #signal: AbortSignal;
  #session: FuzzSession | undefined;
  #tried = 0;
  #busyMs = 0;
  #discovery: Discovery | null = null;

  /** @param signal ends the campaign; what a Ctrl-C does to the processes under fuzz is no finding */
  constructor(target: FuzzTarget, seed: number, signal: AbortSignal) {
    this.target = target;
    this.#seed = seed;
    this.#signal = signal;
  }

  /** Cases that were made from the seed and tried. */
  get tried(): number {
    return this.#tried;
  }

  /** Cases a second, of the time that was spent on them. */
  get rate(): number {
    return this.#busyMs === 0 ? 0 : Math.round((this.#tried * 1000) / this.#busyMs);
  }

  /** The first thing that was found; the campaign is over then. */
  get discovery(): Discovery | null {
    return this.#discovery;
  }

  /** Tries the next batch. */
  async step(): Promise<void> {
    const first = this.#tried;
    const cases = Array.from({ length: this.target.batch }, (_, at) => this.caseOf(first + at));
    const session = await this.#opened();
    const startedAt = performance.now();
    const [finding] = await session.attempt(cases);
    this.#busyMs += performance.now() - startedAt;
    this.#tried += cases.length;
    if (finding && !this.#signal.aborted) this.#discovery = await this.#lookInto(finding, cases, first);
  }

  /** Tries these cases, one after another, and no others. */
  async replay(cases: readonly FuzzCase[], caseNumber: number | null): Promise<void> {
    const finding = await this.#attempt(cases, false);
    this.#tried += cases.length;
    if (finding) this.#discovery = { ...(await this.#lookInto(finding, cases, caseNumber ?? 0)), caseNumber };
  }

  caseOf(number: number): FuzzCase {
    return this.target.generate(Draw.ofCase(this.#seed, this.target.name, number));
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  async #opened(): Promise<FuzzSession> {
    return (this.#session ??= await this.target.open());
  }

  /** What these show, on what was started anew if so wished. */
  async #attempt(cases: readonly FuzzCase[], isFresh: boolean): Promise<Finding | undefined> {
    if (isFresh) await this.close();
    const [finding] = await (await this.#opened()).attempt(cases);
    if (finding?.isFatal) await this.close();
    return finding;
  }

  async #lookInto(finding: Finding, cases: readonly FuzzCase[], first: number): Promise<Discovery> {
    const { target } = this;
    const told = { target: target.name, seed: this.#seed, rule: finding.rule };
    await this.close();
    for (const [index, each] of this.#suspects(finding, cases)) {
      const again = await this.#attempt([each], false);
      if (again?.rule !== finding.rule) continue;
      const smallest = await shrunk(each, async (candidate) => this.#breaks([candidate], finding.rule), SHRINK_BOUNDS);
      const last = await this.#attempt([smallest], true);
      return {
        ...told,
        caseNumber: first + index,
        detail: last?.detail ?? again.detail,
        smallest: [smallest],
        isReproduced: true,
      };
    }
    const isReproduced = await this.#breaks(cases, finding.rule);
    const smallest = isReproduced
      ? await smallestList(cases, async (fewer) => fewer.length > 0 && this.#breaks(fewer, finding.rule))
      : cases;
    return { ...told, caseNumber: null, detail: finding.detail, smallest, isReproduced };
  }

  /** The case that was named, or all of them. */
  *#suspects({ index }: Finding, cases: readonly FuzzCase[]): Iterable<readonly [number, FuzzCase]> {
    if (index !== null) yield [index, cases[index]!];
    else yield* cases.entries();
  }

  async #breaks(cases: readonly FuzzCase[], rule: string): Promise<boolean> {
    return !this.#signal.aborted && (await this.#attempt(cases, false))?.rule === rule;
  }
}
