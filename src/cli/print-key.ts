// The two ways in which a command prints one key: as it is, or with the only copy of a new secret.
import { UserFault } from '../core/fault.ts';
import type { KeyView } from '../manage/key-view.ts';
import type { Context } from './context.ts';
import { sayFault } from './faults.ts';
import { keyLines } from './key-lines.ts';

/** A key with the only copy of its new secret. */
export interface PrintedMint {
  readonly view: KeyView;
  readonly secret: string;
  /** What has happened, a sentence. */
  readonly headline: string;
  readonly isJson: boolean;
}

/** Prints a key: an object, or lines. */
export async function printKey({ terminal }: Context, view: KeyView, isJson: boolean): Promise<void> {
  if (isJson) return await terminal.printJson(view);
  await terminal.print(...keyLines(view));
  for (const warning of view.warnings) sayFault(terminal, `warning: ${warning}`);
}

/**
 * Prints a new secret, this once.
 * @throws {UserFault} with the cure, if it could not be: the key has it all the same (1)
 */
export async function printMinted(context: Context, { view, secret, headline, isJson }: PrintedMint): Promise<void> {
  const { terminal } = context;
  const { id, ...rest } = view;
  try {
    if (isJson) await terminal.printJson({ id, secret, ...rest });
    else
      await terminal.print(
        `${headline} This is its ${view.revision === 1 ? '' : 'new '}secret, shown only now; keep it where it is safe:`,
        '',
        `  ${secret}`,
        '',
      );
  } catch (fault) {
    throw secretUnseen(id, fault);
  }
  if (terminal.isReaderGone) throw secretUnseen(id);
  if (!isJson) await printKey(context, view, false);
}

function secretUnseen(id: string, cause?: unknown): UserFault {
  return new UserFault(
    `key ${id} has a new secret that nobody has seen, because the output could not be written; replace it with portcullis keys rotate ${id} --grace 0`,
    1,
    cause,
  );
}
