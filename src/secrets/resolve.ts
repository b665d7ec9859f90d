// From a secret reference to the secret. A reference that cannot be resolved is a fault, never literal text.
import { readBoundedFile } from '../core/bounded-file.ts';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import { parseSecretReference } from './reference.ts';

/** A secret reference leads nowhere. The message names the reference's target, never a secret. */
export class SecretFault extends UserFault {
  /** The reference is a file that does not exist. */
  readonly isMissingFile: boolean;

  constructor(message: string, isMissingFile = false) {
    super(message, 78);
    this.isMissingFile = isMissingFile;
  }
}

/**
 * The secret a reference leads to. One line break at the end of a file is not part of it.
 * @param reference `env:NAME` or `file:PATH`, relative to the working directory
 * @throws {SecretFault} if it cannot be resolved, is empty, or has more than `BOUNDS.secretBytes`
 */
export async function resolveSecret(reference: string, env: NodeJS.ProcessEnv): Promise<Buffer> {
  const parsed = parseSecretReference(reference);
  if (!parsed.ok) throw new SecretFault(parsed.problem);
  return parsed.kind === 'env' ? fromEnvironment(parsed.name, env) : await fromFile(parsed.path);
}

function fromEnvironment(name: string, env: NodeJS.ProcessEnv): Buffer {
  const text = Object.hasOwn(env, name) ? env[name] : undefined;
  if (text === undefined) throw new SecretFault(`environment variable ${name} is not set; set it to the secret`);
  if (text === '') throw new SecretFault(`environment variable ${name} is empty; set it to the secret`);
  const secret = Buffer.from(text);
  if (secret.length > BOUNDS.secretBytes)
    throw new SecretFault(
      `environment variable ${name} has more than ${BOUNDS.secretBytes} bytes, which no secret has`,
    );
  return secret;
}

async function fromFile(path: string): Promise<Buffer> {
  const file = await readBoundedFile(path, BOUNDS.secretBytes);
  if (!file.ok) throw new SecretFault(`${path} ${file.problem}`, file.isMissing);
  const secret = file.content.subarray(0, file.content.length - lineBreakLength(file.content));
  if (secret.length === 0) throw new SecretFault(`${path} is empty; write the secret into it`);
  return secret;
}

function lineBreakLength(content: Buffer): number {
  if (content.at(-1) !== 0x0a) return 0;
  return content.at(-2) === 0x0d ? 2 : 1;
}
