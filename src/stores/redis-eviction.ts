// A Redis that evicts keys when its memory is full would forget API keys and limits in silence, so it is
// refused, at the start and whenever the connection is made anew.
import type { Redis } from 'ioredis';

/**
 * The server's `maxmemory-policy`. Where CONFIG is forbidden or renamed, INFO tells it; where both are,
 * the answer is undefined.
 */
export async function evictionPolicy(client: Redis): Promise<string | undefined> {
  return (await policyOfConfig(client)) ?? (await policyOfInfo(client));
}

/** Why a server with this policy is refused, with the cure; undefined if it is not. */
export function evictionRefusal(policy: string | undefined, address: string): string | undefined {
  if (policy === 'noeviction') return undefined;
  if (policy === undefined)
    return `Redis at ${address} does not tell its maxmemory-policy; let the user run CONFIG GET or INFO (ACL: +config|get or +info).`;
  return `Redis at ${address} would evict keys (maxmemory-policy is ${policy}); set it with CONFIG SET maxmemory-policy noeviction, and in redis.conf.`;
}

async function policyOfConfig(client: Redis): Promise<string | undefined> {
  const reply = await unlessRefused(client.config('GET', 'maxmemory-policy'));
  const value: unknown = Array.isArray(reply) ? reply[1] : undefined;
  return typeof value === 'string' ? value : undefined;
}

async function policyOfInfo(client: Redis): Promise<string | undefined> {
  const reply = await unlessRefused(client.info('memory'));
  return reply === undefined ? undefined : /^maxmemory_policy:([a-z-]+)\r?$/m.exec(reply)?.[1];
}

/** The reply, or undefined if the server answered with an error; a lost connection still rejects. */
async function unlessRefused<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}
