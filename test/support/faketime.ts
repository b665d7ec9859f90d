// A process whose wall clock can be set while it runs (libfaketime), its monotonic clock going on as the machine's does.
import { globSync, writeFileSync } from 'node:fs';
import { FAKETIME_LIBRARY } from './prerequisites.ts';

export interface SettableClock {
  /** What the process is started with. */
  readonly env: Readonly<Record<string, string>>;
  /** How far the wall clock is from the machine's from now on, s; before the machine's where negative. */
  set(offsetS: number): void;
}

/**
 * Makes a clock that begins as the machine's is.
 * @param file where the library reads how it is set
 */
export function settableClock(file: string): SettableClock {
  const [library] = globSync(FAKETIME_LIBRARY);
  if (library === undefined) throw new Error(`${FAKETIME_LIBRARY} is not on this machine: run the tests with npm test`);
  const set = (offsetS: number): void => writeFileSync(file, `${offsetS < 0 ? '' : '+'}${offsetS}`);
  set(0);
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // As both of its generations spell it.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    set,
  };
}
