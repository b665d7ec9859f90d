// How commands print one key: as it is, as they have changed it, or with the only copy of a new secret.
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
  /** Until when the secret before works, ms since the epoch; null or left out where none does. */
  readonly retiringUntil?: number | null;
}

/** Prints a key: an object, or lines. */
export async function printKey({ terminal }: Context, view: KeyView, isJson: boolean): Promise<void> {
  if (isJson) return await terminal.printJson(view);
  await terminal.print(...keyLines(view));
  for (const warning of view.warnings) sayFault(terminal, `warning: ${warning}`);
}

/**
 * Prints a key as a change has left it.
 * @throws {UserFault} if it could not be: the change is made all the same (1)
 */
export async function printChanged(context: Context, view: KeyView, isJson: boolean): Promise<void> {
  try {
    await printKey(context, view, isJson);
  } catch (fault) {
    const text = `key ${view.id} is changed as it was asked for, but the output could not be written; portcullis keys show ${view.id} shows it`;
    throw new UserFault(text, 1, fault);
  }
}

/**
 * Prints a new secret, this once.
 * @throws {UserFault} with the cure, if it could not be: the key has it all the same (1)
 */
export async function printMinted(context: Context, printed: PrintedMint): Promise<void> {
  const { view, secret, headline, isJson } = printed;
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
    throw secretUnseen(printed, fault);
  }
  if (terminal.isReaderGone) throw secretUnseen(printed);
  if (!isJson) await printChanged(context, view, false);
}

function secretUnseen({ view: { id }, retiringUntil = null }: PrintedMint, cause?: unknown): UserFault {
  // Another rotation ends the secret that its holders have, whatever its grace.
  const cure =
    retiringUntil === null
      ? `replace it with portcullis keys rotate ${id} --grace 0`
      : `the secret before works until ${new Date(retiringUntil).toISOString()}, or until portcullis keys rotate ${id} makes another: run that once its holders can take a new one`;
  const text = `key ${id} has a new secret that nobody has seen, because the output could not be written; ${cure}`;
  return new UserFault(text, 1, cause);
}
