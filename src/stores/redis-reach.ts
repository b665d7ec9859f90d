// Whether a change can be confirmed by a replica before it is acknowledged, and whether a primary that has lost its
// replicas knows that it may have been replaced: said when a gateway starts.
import type { Redis } from 'ioredis';
import type { Notice } from './redis-durability.ts';
import { mayWait, replicationOf } from './redis-replicas.ts';
import type { RedisServer } from './redis-server.ts';
import { configValue } from './redis-settings.ts';

export async function reachNotice(client: Redis, kind: RedisServer['kind']): Promise<Notice> {
  const replication = (await mayWait(client)) ? await replicationOf(client) : undefined;
  if (replication === undefined)
    return {
      text: 'ROLE or WAIT is refused, so a change of a key is acknowledged without asking for a replica; allow both (ACL: +role +wait)',
      isWarning: true,
    };
  const replicas = replication.confirmed.length;
  const least = await configValue(client, 'min-replicas-to-write');
  if (replicas < Number(least ?? 0))
    return {
      text: `too few replicas are connected (${replicas}, and min-replicas-to-write is ${least}), so Redis takes no change, and keys get 503; connect more, or lower it`,
      isWarning: true,
    };
  if (replicas === 0)
    return kind === 'server'
      ? { text: 'Redis has no replica: a change of a key is on this one server alone', isWarning: false }
      : {
          text: 'no replica of Redis is connected: no server can take over without losing keys, and no change waits for one; connect two replicas',
          isWarning: true,
        };
  const connected = `${replicas} ${replicas === 1 ? 'replica is' : 'replicas are'} connected, and a change of a key waits for one of them`;
  if (least === undefined)
    return { text: `${connected}; CONFIG is refused, so min-replicas-to-write could not be checked`, isWarning: true };
  if (least === '0')
    return {
      text: `${connected}; but a primary that is cut off from all of them goes on taking changes that are lost (min-replicas-to-write is 0); set it to 1 where there are two replicas or more`,
      isWarning: true,
    };
  return { text: `${connected} (min-replicas-to-write is ${least})`, isWarning: false };
}
