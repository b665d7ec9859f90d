// Every stack there is, in the order of the table.
import type { Session } from '../session.ts';
import type { Stack } from '../stack.ts';
import { haproxy, haproxyClosing } from './haproxy.ts';
import { nginxLua } from './nginx-lua.ts';
import { expressGateway, fastifyStack, usualClosing, usualComposition } from './node-peers.ts';
import { haproxyPlain, nginxPlain } from './plain.ts';
import { portcullisStacks } from './portcullis.ts';

export function stacksOf(session: Session): readonly Stack[] {
  return [
    nginxPlain,
    haproxyPlain,
    haproxy,
    nginxLua,
    ...portcullisStacks(session, 'strict'),
    ...portcullisStacks(session, 'node'),
    haproxyClosing,
    usualComposition,
    usualClosing,
    fastifyStack,
    expressGateway,
  ];
}
