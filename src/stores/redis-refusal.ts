// What a Redis answers in place of doing what it was asked: error codes after which nothing has run, and what
// they say of where to ask instead. Codes are read, and the sentence behind one only where it says no more than ERR.
import type { RedisPlace } from '../core/redis-url.ts';

/**
 * `moved`: another node serves the slot now. `ask`: the slot is on its way to another node, and the key is there.
 * `split`: the keys of one command are on two nodes for now. `unfit`: a replica, or a Cluster that is down.
 */
export type Refusal =
  | { readonly kind: 'moved' | 'ask'; readonly place: RedisPlace }
  | { readonly kind: 'split' }
  | { readonly kind: 'unfit' };

/** Reads an error that a command ended with; undefined if it is none of these. */
export function refusalOf(error: unknown): Refusal | undefined {
  const [code = '', , target = ''] = replyOf(error).split(' ');
  switch (code) {
    case 'MOVED':
    case 'ASK':
      return { kind: code === 'MOVED' ? 'moved' : 'ask', place: placeOf(target) };
    case 'TRYAGAIN':
      return { kind: 'split' };
    case 'READONLY':
    case 'CLUSTERDOWN':
    case 'MASTERDOWN':
    case 'UNBLOCKED':
      return { kind: 'unfit' };
    default:
      return undefined;
  }
}

/** Whether the server cannot take changes because too few replicas follow it: it may have been left behind. */
export function lacksReplicas(error: unknown): boolean {
  return replyOf(error).startsWith('NOREPLICAS');
}

/** Whether a script came upon a key that is on another node just now. It was declared by its slot alone. */
export function isKeyElsewhere(error: unknown): boolean {
  return replyOf(error).includes(' attempted to access a non local key ');
}

/** Whether the server answered the log-in, or a command without one, with a code that says so. */
export function isRefusedLogin(error: unknown): boolean {
  return /^(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(replyOf(error));
}

/** Whether the server answered the question for a database with it. */
export function isAboutDatabase(error: unknown): boolean {
  return replyOf(error) !== '' && (error as { command?: { name?: string } }).command?.name === 'select';
}

/** Whether the server does not know the command at all, or not in the way it is set up. */
export function isUnknownCommand(error: unknown): boolean {
  return /^ERR (?:unknown command|This instance has cluster support disabled)/i.test(replyOf(error));
}

/** Whether the server refuses the command to the user of store.url. */
export function isRefusedRight(error: unknown): boolean {
  return replyOf(error).startsWith('NOPERM');
}

/** Whether the server itself answered with the error: the connection to it holds. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** The text of an error that the server itself answered with; a script's is the one that ended it. */
export function replyOf(error: unknown): string {
  if (!isReply(error)) return '';
  // Before version 7, an error inside a script came wrapped into a sentence.
  return error.message.replace(/^ERR Error running script .*?: -?(?=[A-Z]+ )/, '');
}

/** An empty host means the one that answered. */
function placeOf(target: string): RedisPlace {
  const at = target.lastIndexOf(':');
  return { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
}
