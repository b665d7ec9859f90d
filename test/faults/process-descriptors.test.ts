// File descriptors are used up: by clients, or taken away under load. The gateway lives, does not spin, says so with
// the cure, and serves as soon as there are some again.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/acceptance-wait.ts';
import { FaultScene } from '../support/fault-scene.ts';
import { found } from '../support/findings.ts';
import { isAlive } from '../support/gateway-workers.ts';
import { descriptorsOf, limitDescriptors, processorMs } from '../support/process-facts.ts';

/** More connections than the process may have descriptors. */
const FLOOD = 400;
const MOST = 128;
/** How long it is looked at while it has none, ms. */
const LOOK_MS = 1_000;

async function flood(on: FaultScene): Promise<Socket[]> {
  const sockets = Array.from({ length: FLOOD }, () => connect(on.gateway.proxyPort, '127.0.0.1'));
  await Promise.all(
    sockets.map((socket) => {
      socket.on('error', () => {});
      return new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    }),
  );
  return sockets;
}

/** What share of a processor the gateway uses for a while. */
async function processorShare({ gateway }: FaultScene): Promise<number> {
  const busyMs = processorMs(gateway.pid);
  const lookedAt = performance.now();
  await pause(LOOK_MS);
  return (processorMs(gateway.pid) - busyMs) / (performance.now() - lookedAt);
}

test('more clients than descriptors: it lives, does not spin, says so with the cure, ops answers, it recovers', async (t) => {
  const on = await FaultScene.open({ gateway: { descriptors: MOST } });
  try {
    const sockets = await flood(on);
    const share = await processorShare(on);
    const line = await on.gateway.logLine(({ msg }) => /file descriptors allow/.test(String(msg)));
    assert.match(String(line['msg']), /ulimit -n/);
    assert.ok(descriptorsOf(on.gateway.pid) < MOST, 'some are kept back');
    assert.equal((await fetch(`http://127.0.0.1:${on.gateway.opsPort}/readyz`)).status, 200);
    const lines = on.gateway.log.filter(({ msg }) => msg === line['msg']).length;
    for (const socket of sockets) socket.destroy();
    const freedAt = performance.now();
    await eventually(async () => assert.equal((await on.ask('/things/x', 2_000)).status, 200), { withinMs: 10_000 });
    const recoveredMs = performance.now() - freedAt;
    assert.ok(share < 0.5, `${share} of a processor`);
    assert.ok(lines <= 2, `${lines} lines`);
    found(t, {
      promise: 7,
      tried: `${FLOOD} connections to a gateway that may have ${MOST} descriptors (ulimit -n)`,
      promised: 'no crash, no spinning, a log line with the cure, ops answers, recovery as soon as some are free',
      seen: `${Math.round(share * 100)} % of a processor, /readyz 200, ${lines} log line: ${String(line['msg'])}; served ${Math.round(recoveredMs)} ms after they were free; ${await on.assertUnharmed()}`,
    });
  } finally {
    await on.close();
  }
});

test('no descriptor is left at all: no crash, no spinning, and it serves once there are some', async (t) => {
  const on = await FaultScene.open();
  try {
    const load = on.load({ isFresh: true, clients: 8 });
    await eventually(() => assert.ok(load.answered > 50), { withinMs: 15_000 });
    limitDescriptors(on.gateway.pid, 24);
    const sockets = await flood(on);
    await load.stop();
    const share = await processorShare(on);
    assert.ok(isAlive(on.gateway.pid));
    limitDescriptors(on.gateway.pid, 1_024);
    for (const socket of sockets) socket.destroy();
    const unharmed = await on.assertUnharmed();
    assert.ok(share < 0.5, `${share} of a processor`);
    found(t, {
      promise: 7,
      tried: 'the limit of descriptors is set below what is open, under load; then raised',
      promised: 'no crash, no spinning; it serves once there are some',
      seen: `${Math.round(share * 100)} % of a processor meanwhile; ${unharmed}`,
    });
  } finally {
    await on.close();
  }
});
