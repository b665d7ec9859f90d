// What a refusal of Redis asks of whoever reads of it: its own words name the cause, and rarely the cure.
import { replyOf } from './redis-refusal.ts';

/** By the code that a reply begins with. */
const CURES: ReadonlyMap<string, string> = new Map([
  ['BUSY', "another program's script holds it up: end that with SCRIPT KILL, or try again"],
  ['CLUSTERDOWN', 'see redis-cli --cluster check'],
  ['LOADING', 'try again when it has loaded what it saved'],
  ['MISCONF', 'see that its disk works and is not full'],
  ['NOPERM', 'give the user of store.url the right to it with ACL SETUSER'],
  ['NOREPLICAS', 'bring its replicas back, of which min-replicas-to-write asks for more'],
  ['OOM', 'raise its maxmemory, or make room'],
  ['READONLY', 'it is a replica: have store.url lead to the primary'],
  ['WRONGTYPE', "something else has written to Portcullis's keys: take that away, or take another store.prefix"],
]);

/** How the rights of a user are spoken of inside a script. */
const REFUSED_IN_SCRIPT = /^ERR The user executing the script can't/;

/** The cure, without a full stop; undefined where nothing is known of the failure. */
export function redisCure(error: unknown): string | undefined {
  const reply = replyOf(error);
  return CURES.get(REFUSED_IN_SCRIPT.test(reply) ? 'NOPERM' : reply.split(' ', 1)[0]!);
}

/** What an error says; of a reply the first sentence, without the line of the script in which it was met. */
export function redisWords(error: Error): string {
  const reply = replyOf(error);
  return reply === '' ? error.message : reply.replace(SCRIPT_LINE, '').replace(/\.(?: .*)?$/s, '');
}

const SCRIPT_LINE = /,? script: [0-9a-f]{40}, on @user_script:\d+\.?$/;
