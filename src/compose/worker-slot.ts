// The place of one worker: the process that holds it now, watched, and replaced when it ends or hangs.
import type { ChildProcess } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import type { GuardNews } from '../checks/guard-news.ts';
import type { LoadedConfig } from '../config/load.ts';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import type { Lineage } from '../core/ports.ts';
import type { Log } from '../record/log.ts';
import { within } from './elapsed.ts';
import { WorkerLink } from './worker-link.ts';
import type { Assignment, FromWorker, WorkerSnapshot } from './worker-messages.ts';

export interface SlotOptions {
  readonly worker: number;
  readonly log: Log;
  /** Starts a process. */
  readonly spawn: () => ChildProcess;
  /** What a process begins with. */
  readonly assignment: () => Assignment;
  readonly onSnapshot: (snapshot: WorkerSnapshot) => void;
  /** Told of the last snapshot of a process that has ended. */
  readonly onEnd: (text: string) => void;
  readonly onNews: (news: GuardNews) => void;
  /** Told how far the process has followed the store. */
  readonly onLineage?: (lineage: Lineage) => void;
  /** Between two signs of life, ms. */
  readonly pulseMs?: number;
}

/** What keeps a worker from serving, if anything does. */
export interface WorkerReadiness {
  readonly fault: string | null;
  readonly storeFault: string | null;
}

export class WorkerSlot {
  readonly worker: number;
  /** Resolves with where the first process listens. */
  readonly started: Promise<AddressInfo>;
  readonly #options: SlotOptions;
  readonly #starting = Promise.withResolvers<AddressInfo>();
  readonly #ended = Promise.withResolvers<boolean>();
  /** The latest process, and the channel to it; none where not even the first could be made. */
  #child: ChildProcess | undefined;
  #link: WorkerLink | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #collecting: Promise<unknown> | undefined;
  #spawnedAtMs = 0;
  /** Deaths in a row of processes that did not settle. */
  #unsettled = 0;
  #missedPulses = 0;
  #isListening = false;
  #hasServed = false;
  #isEnding = false;
  /** Processes that took another's place. */
  restarts = 0;
  /** What the process had counted when it was last heard. */
  text = '';

  constructor(options: SlotOptions) {
    this.worker = options.worker;
    this.#options = options;
    this.started = this.#starting.promise;
    this.#pulse = setInterval(() => this.#watch(), options.pulseMs ?? BOUNDS.workerPulseMs);
    this.#spawn();
  }

  /** Whether it serves and was heard from lately. */
  get isRunning(): boolean {
    return this.#isListening && this.#missedPulses < BOUNDS.workerSilentPulses;
  }

  /** Asks whether it can serve, and its store with it. */
  async readiness(storeTimeoutMs: number): Promise<WorkerReadiness> {
    if (!this.#isListening) return { fault: 'it is starting', storeFault: null };
    const link = this.#link;
    if (!this.isRunning || !link) return { fault: SILENT, storeFault: null };
    const asked = link.ask('store');
    // The store may take its time; the worker may not.
    const pulse = await within(link.ask('pulse'), BOUNDS.workerProbeMs);
    if (pulse === undefined) return { fault: SILENT, storeFault: null };
    const storeFault = await within(asked, BOUNDS.workerProbeMs + storeTimeoutMs);
    return storeFault === undefined ? { fault: SILENT, storeFault: null } : { fault: null, storeFault };
  }

  /** Asks for what it has counted, and waits for that within the bound. */
  async collect(): Promise<void> {
    if (!this.#isListening || !this.#link) return;
    this.#collecting ??= this.#link
      .ask('metrics')
      .then((snapshot) => {
        if (snapshot === undefined) return;
        this.text = snapshot.text;
        this.#options.onSnapshot(snapshot);
      })
      .finally(() => {
        this.#collecting = undefined;
      });
    await within(this.#collecting, BOUNDS.workerScrapeMs);
  }

  /** Hands a configuration over; gives why it was refused, or null. One that hangs is not waited for. */
  async put(config: LoadedConfig): Promise<string | null> {
    return (this.#link && (await within(this.#link.put(config), BOUNDS.workerProbeMs))) ?? null;
  }

  hear(news: GuardNews): void {
    if (this.isRunning && this.#link?.isFull === false) this.#link.tell({ kind: 'guard', news });
  }

  /** Lets the process finish what is under way; resolves to whether all of it was, once it has ended. */
  async drain(withinMs: number): Promise<boolean> {
    this.#stopWatching();
    if (this.#hasEnded()) return true;
    this.#link?.tell({ kind: 'drain' });
    const isFinished = await within(this.#ended.promise, withinMs);
    if (isFinished === undefined) this.#child?.kill('SIGKILL');
    return isFinished ?? (await this.#ended.promise);
  }

  /** Ends the process at once. */
  kill(): void {
    this.#stopWatching();
    if (!this.#hasEnded()) this.#child?.kill('SIGKILL');
  }

  #stopWatching(): void {
    this.#isEnding = true;
    clearInterval(this.#pulse);
    clearTimeout(this.#restart);
  }

  #hasEnded(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #spawn(): void {
    this.#spawnedAtMs = performance.now();
    this.#missedPulses = 0;
    let child: ChildProcess;
    try {
      child = this.#options.spawn();
    } catch (fault) {
      // Node tells some of the system's reasons for making no process at once, such as too little memory, and others as an event.
      this.#onExit(undefined, (fault as Error).message);
      return;
    }
    this.#child = child;
    this.#link = new WorkerLink(child);
    this.#link.tell({ kind: 'start', assignment: this.#options.assignment() });
    child.on('message', (message: FromWorker) => this.#heard(message));
    child.on('error', (error) => {
      // Where no process could be made, no exit comes.
      if (child.pid === undefined) this.#onExit(undefined, error.message);
    });
    child.once('exit', (code, signal) => this.#onExit(child.pid, signal ?? code ?? 'lost', code === 0));
  }

  #heard(message: FromWorker): void {
    switch (message.kind) {
      case 'listening':
        this.#isListening = true;
        this.#hasServed = true;
        this.#options.log.info('worker started', { worker: this.worker, pid: this.#child?.pid });
        this.#starting.resolve(message.address);
        return;
      case 'failed':
        // Of the first process it is said by who started the gateway.
        if (this.#hasServed)
          this.#options.log.error('a worker could not start', { worker: this.worker, reason: message.message });
        this.#starting.reject(new UserFault(message.message, message.exitCode));
        return;
      case 'guard':
        this.#options.onNews(message.news);
        return;
      case 'lineage':
        this.#options.onLineage?.(message.lineage);
        return;
      case 'answer':
        return;
    }
  }

  #onExit(pid: number | undefined, how: string | number, isFinished = false): void {
    this.#isListening = false;
    if (this.text !== '') this.#options.onEnd(this.text);
    this.text = '';
    this.#starting.reject(new UserFault(`a worker ended while it started (${how}); see the lines before`));
    if (this.#isEnding || !this.#hasServed) {
      this.#stopWatching();
      this.#ended.resolve(isFinished);
      return;
    }
    const isSettled = performance.now() - this.#spawnedAtMs >= BOUNDS.workerSettledMs;
    this.#unsettled = isSettled ? 0 : this.#unsettled + 1;
    const inMs = this.#unsettled < 2 ? 0 : Math.min(BOUNDS.workerPauseMs, 100 * 2 ** (this.#unsettled - 2));
    const { log } = this.#options;
    log.error('a worker ended; another takes its place', { worker: this.worker, pid, how, inMs });
    this.#restart = setTimeout(() => {
      this.restarts++;
      this.#spawn();
    }, inMs);
  }

  /** Asks for a sign of life, and replaces a process that has given none for too long. */
  #watch(): void {
    if (!this.#isListening) {
      if (performance.now() - this.#spawnedAtMs > BOUNDS.workerStartMs) this.#replace('it did not start in time');
      return;
    }
    const link = this.#link;
    if (!link) return;
    if (!link.owes('pulse')) {
      if (this.#missedPulses >= BOUNDS.workerSilentPulses)
        this.#options.log.info('a worker answers again', { worker: this.worker });
      this.#missedPulses = 0;
      void link.ask('pulse');
      return;
    }
    this.#missedPulses++;
    if (this.#missedPulses === BOUNDS.workerSilentPulses)
      this.#options.log.warn('a worker does not answer', { worker: this.worker, pid: this.#child?.pid });
    if (this.#missedPulses >= BOUNDS.workerLostPulses) this.#replace(SILENT);
  }

  #replace(reason: string): void {
    this.#options.log.error('a worker is ended', { worker: this.worker, pid: this.#child?.pid, reason });
    this.#child?.kill('SIGKILL');
  }
}

const SILENT = 'it does not answer';
