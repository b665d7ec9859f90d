// A change that a replica has, too, survives the loss of the primary: Redis itself answers as soon as the primary
// has it.
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { isRefusedRight } from './redis-refusal.ts';

const replicaRole = z.tuple([z.string(), z.string(), z.string()]);

/** Of ROLE: the kind of server, its offset, and, of a primary, the replicas that follow it. */
const primaryRole = z.tuple([z.literal('master'), z.int(), z.array(z.unknown())]);

/** What a primary has written, in bytes of its stream of replication, and what each of its replicas has confirmed. */
interface Replication {
  readonly offset: number;
  readonly confirmed: readonly number[];
}

/** How far replicas are; undefined where that may not be asked. */
export async function replicationOf(client: Redis): Promise<Replication | undefined> {
  try {
    const [, offset, replicas] = primaryRole.parse(await client.role());
    return { offset, confirmed: replicas.map((replica) => Number(replicaRole.safeParse(replica).data?.[2] ?? 0)) };
  } catch (error) {
    if (isRefusedRight(error)) return undefined;
    throw error;
  }
}

/** Whether the user may run WAIT; asked for none, it answers at once. */
export async function mayWait(client: Redis): Promise<boolean> {
  try {
    await client.wait(0, 1);
    return true;
  } catch (error) {
    if (isRefusedRight(error)) return false;
    throw error;
  }
}

/**
 * Waits until one replica has what was written on this connection, and tells whether it has. Without any replica
 * there is nothing to wait for, but where others stand by: one that has lost its connection may still take over.
 * @throws {Error} if the server is lost or demoted meanwhile: what was written may be lost, too
 */
export async function isReplicated(client: Redis, waitMs: number, hasStandBys: boolean): Promise<boolean> {
  try {
    const [, , replicas] = primaryRole.parse(await client.role());
    return replicas.length === 0 ? !hasStandBys : (await client.wait(1, waitMs)) > 0;
  } catch (error) {
    // Who may not ask goes without an answer.
    if (isRefusedRight(error)) return true;
    // Not the refusal itself, after which nothing would have run and all of it could be sent again.
    throw new Error('the primary was lost before a replica had the change; see whether it was made', { cause: error });
  }
}
