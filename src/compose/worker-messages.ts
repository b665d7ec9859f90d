// What a primary and its workers tell each other, over the channel that Node.js opens between parent and child.
import type { AddressInfo } from 'node:net';
import type { GuardNews } from '../checks/guard-news.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Lineage } from '../core/ports.ts';
import type { TakenUses } from '../record/key-uses.ts';
import type { PepperSecrets } from '../secrets/peppers.ts';

/** All that a worker begins with. */
export interface Assignment {
  readonly worker: number;
  /** As at the start of the primary: what takes effect only with a restart is taken from here. */
  readonly first: LoadedConfig;
  /** What is in force now. */
  readonly current: LoadedConfig;
  readonly peppers: PepperSecrets;
  /** What is known of the store, if it was seen yet. */
  readonly lineage?: Lineage;
  /** Where it listens, beside the other workers. */
  readonly host: string;
  readonly port: number;
}

/** What a worker has counted. */
export interface WorkerSnapshot {
  /** Its metrics but those of `uses`, in Prometheus's text format. */
  readonly text: string;
  readonly uses: TakenUses;
}

/** What a worker can be asked, and what it answers. */
export interface Answers {
  /** A sign of life. */
  readonly pulse: null;
  /** Why its store does not answer, or null. */
  readonly store: string | null;
  readonly metrics: WorkerSnapshot;
  /** To put a configuration in force: why it was refused, or null. */
  readonly put: string | null;
}

export type Topic = keyof Answers;

export type ToWorker =
  | { readonly kind: 'start'; readonly assignment: Assignment }
  | { readonly kind: 'ask'; readonly id: number; readonly topic: Exclude<Topic, 'put'> }
  | { readonly kind: 'ask'; readonly id: number; readonly topic: 'put'; readonly config: LoadedConfig }
  | { readonly kind: 'guard'; readonly news: GuardNews }
  /** To finish the requests under way and end. */
  | { readonly kind: 'drain' };

export type FromWorker =
  | { readonly kind: 'listening'; readonly address: AddressInfo }
  /** It cannot start: the sentence and exit code of a UserFault, or the text of a defect. */
  | { readonly kind: 'failed'; readonly message: string; readonly exitCode: 1 | 2 | 78 }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Topic] }
  | { readonly kind: 'guard'; readonly news: GuardNews }
  /** It has followed the store further. */
  | { readonly kind: 'lineage'; readonly lineage: Lineage };
