// What a Redis tells of how it is set up. A managed one may refuse CONFIG or INFO: then that is not known, which is not
// the same as a fault.
import type { Redis } from 'ioredis';
import { isReply } from './redis-refusal.ts';

/** One setting; undefined if the server refuses to tell. */
export async function configValue(client: Redis, name: string): Promise<string | undefined> {
  const reply = await unlessRefused(client.config('GET', name));
  const value: unknown = Array.isArray(reply) ? reply[1] : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** One field of a section of INFO; undefined if the server refuses to tell or has no such field. */
export async function infoField(client: Redis, section: string, name: string): Promise<string | undefined> {
  const reply = await unlessRefused(client.info(section));
  return reply
    ?.split('\r\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1);
}

/** The reply, or undefined if the server answered with an error; a lost connection still rejects. */
async function unlessRefused<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (isReply(error)) return undefined;
    throw error;
  }
}
