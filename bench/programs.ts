// Programs that the benchmark runs beside the gateway, and how a Debian machine gets them.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where servers are that an ordinary user's PATH leaves out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Where Debian puts what nginx loads. */
export const NGINX_MODULES = '/usr/lib/nginx/modules';

export function findServersToo(): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  process.env['PATH'] = [...new Set([...folders, ...SYSTEM_FOLDERS])].join(delimiter);
}

/** One sentence on how to get a program that is not on the PATH. */
export function missingProgram(program: string, debianPackage = program): string | undefined {
  const isHere = (process.env['PATH'] ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)));
  return isHere ? undefined : cure(program, debianPackage);
}

/** One sentence on how to get a module that nginx is not given. */
export function missingNginxModule(name: string, debianPackage: string): string | undefined {
  return existsSync(join(NGINX_MODULES, name)) ? undefined : cure(name, debianPackage);
}

/** What a program says of its version; empty where it is not here. */
export function versionOf(program: string, word: string): string {
  try {
    const said = execFileSync('sh', ['-c', `${program} ${word} 2>&1`], { encoding: 'utf8' });
    return /\d+(?:\.\d+)+/.exec(said)?.[0] ?? '';
  } catch {
    return '';
  }
}

function cure(what: string, debianPackage: string): string {
  return `${what} is not installed; get it with: apt-get install -y --no-install-recommends ${debianPackage}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
