// The gateway as it is shipped: compiled, in a folder of the session. Run from source it would hold the compiler's
// memory, too.
import { execFile } from 'node:child_process';
import { copyFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Session } from './session.ts';

const ROOT = join(import.meta.dirname, '..');
const built = new WeakMap<Session, Promise<string>>();

/** Compiles it at the first call. @returns the path of its program */
export function compiledMain(session: Session): Promise<string> {
  let main = built.get(session);
  if (!main) {
    main = compile(session.newFolder('compiled'));
    built.set(session, main);
  }
  return main;
}

async function compile(folder: string): Promise<string> {
  const dist = join(folder, 'dist');
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist, '--declaration', 'false']);
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(dist, 'main.js');
}
