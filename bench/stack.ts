// What a stack is: something that stands between clients and the upstream, started fresh for every round.
import type { KeySet } from './keys.ts';
import type { Session } from './session.ts';

export interface Scene {
  readonly session: Session;
  readonly keys: KeySet;
  /** Port of the upstream on 127.0.0.1. */
  readonly upstream: number;
}

export interface RunningStack {
  readonly port: number;
  /** The stack's own processes; their descendants are found. */
  readonly pids: readonly number[];
  /** The store it keeps its counts in, where that is a process of its own: counted apart. */
  readonly storePids: readonly number[];
  stop(): Promise<void>;
}

export interface Stack {
  /** What `--only` calls it. */
  readonly name: string;
  readonly title: string;
  /** `whole`: key, address, scope, limits, identity; `plain`: forwards and nothing else. */
  readonly job: 'whole' | 'plain';
  /** A new connection for every request. */
  readonly isClosing?: boolean;
  /** Has no address lists, so that no 403 is asked of it for one. */
  readonly hasNoNetworks?: boolean;
  /** How a key is presented, where it takes more than its text. */
  readonly presented?: (text: string) => string;
  /** Where its small limit is, if that is not the key's but a path's. */
  readonly tinyPath?: string;
  /** Keys of its own, where those of the run are not what is measured. */
  readonly keys?: KeySet;
  /** Paths to load, in turn; the usual one if there are none. */
  readonly paths?: readonly string[];
  /** One sentence on how to get it, where it is not here. */
  missing(): string | undefined | Promise<string | undefined>;
  start(scene: Scene): Promise<RunningStack>;
}
