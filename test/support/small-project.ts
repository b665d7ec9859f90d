// A project of a few files that has this one's tool settings, for showing what the tools find.
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const SETTINGS = ['tsconfig.json', '.oxlintrc.json', '.oxfmtrc.json', 'knip.json', '.gitignore'];

export interface ToolEnd {
  readonly code: number | null;
  /** Both streams. */
  readonly output: string;
}

export interface SmallProject {
  write(file: string, text: string): Promise<void>;
  /** Runs a command of `node_modules/.bin` in it. */
  run(command: string, ...words: readonly string[]): Promise<ToolEnd>;
  remove(): Promise<void>;
}

/** Makes one in a directory of its own, with these files. */
export async function makeSmallProject(files: Readonly<Record<string, string>>): Promise<SmallProject> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-small-project-'));
  const write = async (file: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await Promise.all(SETTINGS.map((file) => copyFile(join(ROOT, file), join(folder, file))));
  await Promise.all(Object.entries(files).map(([file, text]) => write(file, text)));
  return {
    write,
    run: (command, ...words) => run(folder, command, words),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function run(folder: string, command: string, words: readonly string[]): Promise<ToolEnd> {
  const bin = join(ROOT, 'node_modules', '.bin');
  const child = spawn(join(bin, command), words, {
    cwd: folder,
    env: { ...process.env, PATH: [bin, process.env['PATH']].join(delimiter), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, output };
}
