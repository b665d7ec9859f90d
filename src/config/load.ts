// From a file to a configuration: YAML, environment variables, schema, contradictions, secret references.
// Either everything is right, or all that is wrong is told at once.
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { type BoundedFile, readBoundedFile } from '../core/bounded-file.ts';
import { BOUNDS } from '../core/bounds.ts';
import { findPepperProblems } from '../secrets/peppers.ts';
import { ConfigFault, type ConfigProblem, type Finding, formatPath, type Path } from './problem.ts';
import type { Config } from './schema.ts';
import { withoutPassword } from './store-url.ts';
import { touches, validate } from './validate.ts';
import { substituteVariables } from './variables.ts';
import { type Position, readYaml } from './yaml-source.ts';

/** A valid configuration, every secret reference of which could be resolved when it was loaded. */
export interface LoadedConfig {
  readonly config: Config;
  /** Absolute path of the file; for a configuration passed by a program, what the program calls it. */
  readonly file: string;
  /** Hex SHA-256 of the effective configuration: equal where only order, comments or spelling differ. */
  readonly hash: string;
}

/**
 * Loads a configuration file.
 * @param file relative to the working directory
 * @throws {ConfigFault} with every problem, in the order of the file
 */
export async function loadConfig(file: string, env: NodeJS.ProcessEnv): Promise<LoadedConfig> {
  return await readConfigFile(await readBoundedFile(file, BOUNDS.configBytes), file, env);
}

/**
 * Reads a configuration from a file's content.
 * @param file its path, for the problems
 * @throws {ConfigFault} with every problem, in the order of the file
 */
export async function readConfigFile(read: BoundedFile, file: string, env: NodeJS.ProcessEnv): Promise<LoadedConfig> {
  if (!read.ok) throw faultOf(file, read.problem);
  const text = decode(read.content);
  if (text === undefined) throw faultOf(file, 'is not UTF-8; save it as UTF-8');
  const source = readYaml(text);
  if (source.fault) throw new ConfigFault([{ file, path: '(file)', ...source.fault }]);
  const config = await interpret(source, env, file, (path, atName) => source.locate(path, atName));
  return { config, file: resolve(file), hash: hashOf(config) };
}

/**
 * Reads a configuration that a program passes as an object, by the same rules as a file.
 * @param label what problems call it
 * @throws {ConfigFault} with every problem; lines and columns are 0
 */
export async function readConfig(
  value: unknown,
  env: NodeJS.ProcessEnv,
  label = '(configuration)',
): Promise<LoadedConfig> {
  const source = { value, findings: [], lost: [] };
  const config = await interpret(source, env, label, () => ({ line: 0, column: 0 }));
  return { config, file: label, hash: hashOf(config) };
}

function faultOf(file: string, message: string): ConfigFault {
  return new ConfigFault([{ file, line: 1, column: 1, path: '(file)', message }]);
}

interface Source {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  readonly lost: readonly Path[];
}

async function interpret(
  source: Source,
  env: NodeJS.ProcessEnv,
  file: string,
  locate: (path: Path, atName: boolean) => Position,
): Promise<Config> {
  const { value, findings: missing, places } = substituteVariables(source.value, env);
  const lost = [...source.lost, ...missing.map(({ path }) => path)];
  const { config, findings, doubtful } = validate({ value, lost, places });
  const peppers: readonly Finding[] = config ? await findPepperProblems(config, env) : [];
  const unresolved = peppers.filter((finding) => !touches(finding, doubtful));
  const all = [...source.findings, ...missing, ...findings, ...unresolved];
  if (config && all.length === 0) return config;
  throw new ConfigFault(
    ordered(
      all.map(({ path, message, ...finding }: Finding) => ({
        file,
        ...locate(path, finding.atName ?? false),
        path: formatPath(path),
        message,
      })),
    ),
  );
}

function ordered(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function decode(content: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** Without the store's password: the hash is a metric's label, and a weak password could be guessed from it. */
function hashOf(config: Config): string {
  const shown = { ...config, store: { ...config.store, url: withoutPassword(config.store.url) } };
  return createHash('sha256').update(canonicalText(shown)).digest('hex');
}

function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
