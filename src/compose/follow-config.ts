// A configuration file that changes while the gateway runs: what is sound is put in force in one step, what is
// not is refused, logged and counted, and the one before stays.
import type { LoadedConfig } from '../config/load.ts';
import { ConfigFault, formatProblem } from '../config/problem.ts';
import { type ConfigWatch, restartFields, watchConfig } from '../config/reload.ts';
import type { Log } from '../record/log.ts';

export interface FollowOptions {
  readonly first: LoadedConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly counts: { reloaded(isSuccessful: boolean, hash: string, atMs: number): void };
  readonly inForce: () => Pick<LoadedConfig, 'config' | 'hash'>;
  /** Puts a configuration in force and counts that; throws to refuse it. */
  readonly put: (next: LoadedConfig) => void | Promise<void>;
}

export function followConfig({ first, env, log, counts, inForce, put }: FollowOptions): ConfigWatch {
  const swap = async (loaded: LoadedConfig): Promise<void> => {
    // Against what this process began with: what was changed and is changed back needs none, and what was not still does.
    const needRestart = restartFields(first.config, loaded.config);
    await put(loaded);
    log.info('configuration reloaded', { file: loaded.file, hash: loaded.hash });
    if (needRestart.length > 0) {
      log.warn(`the changes of ${needRestart.join(', ')} take effect at the next restart`, { fields: needRestart });
    }
  };
  const refuse = (fault: unknown): void => {
    counts.reloaded(false, inForce().hash, Date.now());
    const problems = fault instanceof ConfigFault ? fault.problems.map(formatProblem) : [(fault as Error).message];
    log.error(`the configuration was refused, the one before stays in force: ${problems[0]}`, { problems });
  };
  return watchConfig({
    loaded: first,
    env,
    // What is sound by itself may still be refused by who puts it in force.
    onChange: (result) => (result instanceof ConfigFault ? refuse(result) : swap(result).catch(refuse)),
  });
}
