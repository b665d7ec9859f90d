// The published cases of a class put to HAProxy and nginx: what they forward of them and what they answer, beside what
// Portcullis does. Kept for docs/reliability.md; where they differ, the case or its class says why ours is right.
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { compared } from '../../support/findings.ts';
import { RawClient } from '../../support/raw-client.ts';
import type { Arena } from './arena.ts';
import type { AttackClass, KnownCase } from './attack-class.ts';
import { startHaproxy, startNginx, type Peer } from './peers.ts';
import { NEXT } from './ways.ts';

/** How long a peer's connection is waited for that a case leaves open, ms. */
const WITHIN_MS = 150;

/** What one made of a case, in a few words. */
interface Made {
  readonly statuses: string;
  /** What its upstream saw, as the class compares it. */
  readonly forwarded: readonly string[];
}

export async function comparePeers(
  test: TestContext,
  attack: AttackClass,
  { gateway, recorder }: Arena,
): Promise<void> {
  const peers = await Promise.all([startHaproxy(), startNginx()]);
  try {
    let differ = 0;
    for (const known of attack.known) {
      const [ours, haproxy, nginx] = await Promise.all([
        putTo({ port: gateway.proxyPort, recorder }, attack, known),
        putTo(peers[0], attack, known),
        putTo(peers[1], attack, known),
      ]);
      const isDifferent = [haproxy, nginx].some(({ forwarded }) => forwarded.join() !== ours.forwarded.join());
      const why = known.why ?? attack.why;
      if (isDifferent) {
        differ += 1;
        assert.notEqual(why, '', `${known.name}: why ours is right`);
      }
      compared({
        attackClass: attack.name,
        attack: known.name,
        source: known.source,
        portcullis: said(ours),
        haproxy: said(haproxy),
        nginx: said(nginx),
        why: isDifferent ? why : '',
      });
    }
    test.diagnostic(
      `${attack.name}: ${attack.known.length} published cases, ${differ} forwarded otherwise by HAProxy or nginx`,
    );
  } finally {
    await Promise.all(peers.map((peer) => peer.close()));
  }
}

async function putTo(
  { port, recorder }: Pick<Peer, 'port' | 'recorder'>,
  attack: AttackClass,
  known: KnownCase,
): Promise<Made> {
  recorder.reset();
  recorder.begin(known.name);
  const client = await RawClient.open(port);
  try {
    client.write(Buffer.concat([Buffer.from(known.bytes as string, 'latin1'), Buffer.from(NEXT)]));
    await client.rest(WITHIN_MS).catch(() => {});
    // What went upstream before the answer came may still be on its way to the recorder.
    await turn();
    const statuses = [...client.text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => status).join(' ');
    const { compares = ({ method, target }) => `${method} ${target}` } = attack;
    const forwarded = recorder.requests.filter(({ target }) => target !== '/open/next').map(compares);
    if (recorder.flaws.length > 0) forwarded.push('bytes that no strict reader takes for a request');
    return { statuses, forwarded };
  } finally {
    client.destroy();
  }
}

function said({ statuses, forwarded }: Made): string {
  const passed = forwarded.length === 0 ? 'forwards nothing' : `forwards ${forwarded.join(', ')}`;
  return `${statuses === '' ? 'no answer' : statuses}, ${passed}`;
}
