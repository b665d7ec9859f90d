// One of several processes that serve: a data plane, and what its primary asks of it.
import { CollectedNews } from '../checks/guard-news.ts';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import type { Lineage, Store } from '../core/ports.ts';
import { TalliedUses } from '../record/key-uses.ts';
import { peppersOf } from '../secrets/peppers.ts';
import { listenAt } from './addresses.ts';
import { DataPlane } from './data-plane.ts';
import { createWorkerEnforcement } from './enforcement.ts';
import type { Answers, Assignment, FromWorker, Topic, ToWorker } from './worker-messages.ts';

export interface WorkerOptions {
  /** Sends the primary a message. */
  readonly tell: (message: FromWorker) => void;
  /** Ends the process. */
  readonly exit: (code: number) => void;
}

export class Worker {
  readonly #tell: WorkerOptions['tell'];
  readonly #exit: WorkerOptions['exit'];
  readonly #uses = new TalliedUses();
  /** What it serves with, once that listens. */
  #plane: Promise<DataPlane> | undefined;
  #isEnding = false;

  constructor({ tell, exit }: WorkerOptions) {
    this.#tell = tell;
    this.#exit = exit;
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case 'start':
        this.#start(message.assignment);
        return;
      case 'ask':
        this.#answer(message).then(
          (answer) => this.#tell({ kind: 'answer', id: message.id, answer }),
          // It could not start, which is said already.
          () => {},
        );
        return;
      case 'guard':
        void this.#plane?.then(
          ({ enforcement }) => enforcement.hear(message.news),
          () => {},
        );
        return;
      case 'drain':
        this.end();
        return;
    }
  }

  /** Finishes the requests under way and ends the process: with 0 where all finished in time, else with 1. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    void this.#drain();
  }

  #start(assignment: Assignment): void {
    const starting = this.#open(assignment);
    this.#plane = starting;
    starting.catch((fault: unknown) => {
      const exitCode = fault instanceof UserFault ? fault.exitCode : 1;
      const message = fault instanceof Error ? fault.message : String(fault);
      this.#tell({ kind: 'failed', message, exitCode });
      this.#exit(exitCode);
    });
  }

  async #open({ worker, first, current, peppers, lineage, host, port }: Assignment): Promise<DataPlane> {
    const others = new CollectedNews((news) => this.#tell({ kind: 'guard', news }));
    const plane = await DataPlane.open((adopt) =>
      createWorkerEnforcement(
        {
          worker,
          loaded: first,
          peppers: peppersOf(peppers),
          keyUses: this.#uses,
          others,
          ...(lineage && { lineage }),
        },
        adopt,
      ),
    );
    if (current.hash !== first.hash) plane.enforcement.put(current);
    this.#tellLineage(plane.enforcement.store);
    const address = await listenAt(first.config.listen.proxy, 'listen.proxy', () => plane.listen(host, port, true));
    this.#tell({ kind: 'listening', address });
    return plane;
  }

  /** So that who takes this one's place does not take another store for the one that was known. */
  #tellLineage(store: Store): void {
    let told: Lineage | undefined;
    setInterval(() => {
      const lineage = store.lineage();
      if (lineage === undefined || (lineage.at === told?.at && lineage.epoch === told.epoch)) return;
      told = lineage;
      this.#tell({ kind: 'lineage', lineage });
    }, BOUNDS.workerLineageMs).unref();
  }

  async #answer(message: Extract<ToWorker, { kind: 'ask' }>): Promise<Answers[Topic]> {
    if (message.topic === 'pulse') return null;
    const plane = await this.#plane;
    if (plane === undefined) throw new Error('a worker was asked before it was told to start');
    const { enforcement } = plane;
    switch (message.topic) {
      case 'store':
        return await plane.storeFault();
      case 'metrics': {
        const { text } = await enforcement.metrics.scrape();
        return { text, uses: this.#uses.take() };
      }
      case 'put':
        try {
          enforcement.put(message.config);
          return null;
        } catch (fault) {
          return (fault as Error).message;
        }
    }
  }

  async #drain(): Promise<void> {
    const plane = await this.#plane?.catch(() => undefined);
    const isFinished = (await plane?.drain()) ?? true;
    await plane?.close();
    this.#exit(isFinished ? 0 : 1);
  }
}
