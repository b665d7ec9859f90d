// Requests that flow steadily while a fault lasts: several keys at one or more gateways, each answer kept with its time,
// and each request told apart at the upstream, so that a test can say what passed that must not have.
import { setTimeout as pause } from 'node:timers/promises';
import { send } from './acceptance-http.ts';
import { eventually } from './acceptance-wait.ts';

/** A key that requests are sent with. */
export interface LoadKey {
  readonly id: string;
  readonly secret: string;
  readonly target: string;
  /** Whether it passes while all is well. */
  readonly isGood: boolean;
  /** Another text each time, so that nobody has it cached. */
  readonly isNew?: boolean;
}

/** One request and what came of it. */
export interface Answered {
  readonly key: string;
  /** Which of the gateways, from 0. */
  readonly gateway: number;
  /** When it was sent, on `performance.now()`. */
  readonly sentMs: number;
  readonly tookMs: number;
  /** 0 where the connection broke. */
  readonly status: number;
  /** The problem's code; empty for an answer of the upstream. */
  readonly code: string;
  /** Its name at the upstream. */
  readonly mark: string;
}

interface LoadOptions {
  readonly ports: readonly number[];
  readonly keys: readonly LoadKey[];
  /** The {@link MARK} of every request that the upstream got. */
  readonly reached: ReadonlySet<string>;
  /** Between an answer and the flow's next request, ms. */
  readonly pauseMs?: number;
}

/** The header that names a request at the upstream. */
export const MARK = 'x-load';
/** Longest wait for one answer, ms: far beyond what is promised. */
const PATIENCE_MS = 30_000;

export class SteadyLoad {
  readonly #options: LoadOptions;
  readonly #answers: Answered[] = [];
  /** From when on a key may pass no more, ms on `performance.now()`. */
  readonly #refusedFrom = new Map<string, number>();
  readonly #flows: Promise<unknown>;
  #isStopped = false;
  #sent = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    for (const { id, isGood } of options.keys) if (!isGood) this.#refusedFrom.set(id, -Infinity);
    const flows = options.ports.flatMap((port, gateway) => options.keys.map((key) => this.#flow(port, gateway, key)));
    this.#flows = Promise.all(flows);
    this.#flows.catch(() => {});
  }

  /** A key that was good may pass no more from then on. */
  refuseFrom(id: string, ms: number): void {
    this.#refusedFrom.set(id, ms);
  }

  /** What was answered to requests sent since then, of one key or of all. */
  since(ms: number, key?: string): readonly Answered[] {
    return this.#answers.filter(({ sentMs, key: of }) => sentMs >= ms && (key === undefined || of === key));
  }

  /** Of these, the ones that reached the upstream though their key might not pass when they were sent. */
  unauthorised(answers: readonly Answered[]): readonly Answered[] {
    const { reached } = this.#options;
    return answers.filter(({ key, sentMs, mark }) => reached.has(mark) && sentMs >= this.#mayPassUntil(key));
  }

  /**
   * Waits until each flow was answered as it is while all is well, to a request sent since then.
   * @returns ms from then to the last of these answers
   */
  async isWellSince(ms: number, withinMs: number): Promise<number> {
    return eventually(
      () => {
        const answers = this.since(ms);
        const times = this.#options.ports.flatMap((_, gateway) =>
          this.#options.keys.map(({ id }) => {
            const expected = this.#mayPassUntil(id) < Infinity ? 401 : 200;
            const first = answers.find(
              ({ key, gateway: by, status }) => key === id && by === gateway && status === expected,
            );
            if (first) return first.sentMs + first.tookMs - ms;
            const last = answers.findLast(({ key, gateway: by }) => key === id && by === gateway);
            throw new Error(`${id} at gateway ${gateway} is answered ${last?.status ?? 'nothing'} ${last?.code ?? ''}`);
          }),
        );
        return Math.max(...times);
      },
      { withinMs },
    );
  }

  /** Waits until each flow has an answer, whatever it is, to a request sent since then. */
  async isAnsweredSince(ms: number): Promise<void> {
    const { ports, keys } = this.#options;
    await eventually(() => {
      const answered = new Set(this.since(ms).map(({ key, gateway }) => `${gateway} ${key}`));
      if (answered.size < ports.length * keys.length) throw new Error(`only ${[...answered].join(', ')} are answered`);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#flows;
  }

  #mayPassUntil(key: string): number {
    return this.#refusedFrom.get(key) ?? Infinity;
  }

  async #flow(port: number, gateway: number, key: LoadKey): Promise<void> {
    const { pauseMs = 20 } = this.#options;
    while (!this.#isStopped) {
      this.#answers.push(await this.#ask(port, gateway, key));
      await pause(pauseMs);
    }
  }

  async #ask(port: number, gateway: number, { id, secret, target, isNew = false }: LoadKey): Promise<Answered> {
    const mark = `${id}-${(this.#sent += 1)}`;
    const sentMs = performance.now();
    const headers = { 'X-Api-Key': isNew ? `${secret}-${this.#sent}` : secret, [MARK]: mark };
    const { status, code } = await send(port, { target, headers }, PATIENCE_MS).then(
      (answer) => ({
        status: answer.status,
        code: answer.header('content-type') === 'application/problem+json' ? String(answer.json()['code']) : '',
      }),
      (error: Error) => ({ status: 0, code: error.message }),
    );
    return { key: id, gateway, sentMs, tookMs: performance.now() - sentMs, status, code, mark };
  }
}

/** When the last request was sent that passed, ms after `fromMs`; 0 where none did. */
export function lastPassedMs(answers: readonly Answered[], fromMs: number): number {
  return Math.max(0, ...answers.filter(({ status }) => status === 200).map(({ sentMs }) => sentMs - fromMs));
}

/** How often each status was answered: `200 ×41, 503 store_unavailable ×7`. */
export function statusesOf(answers: readonly Answered[]): string {
  const counts = new Map<string, number>();
  for (const { status, code } of answers) {
    const name = code === '' || status === 0 ? String(status) : `${status} ${code}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ×${count}`).join(', ');
}

/** The longest that any of them took, ms. */
export function longestMs(answers: readonly Answered[]): number {
  return Math.max(0, ...answers.map(({ tookMs }) => tookMs));
}
