// Where attacks happen: the gateway as a process of its own between a client and the recording upstream, with keys
// whose texts are fixed, so that a case is nothing but its bytes.
import assert from 'node:assert/strict';
import { Scene } from '../../support/acceptance-scene.ts';
import { eventually } from '../../support/acceptance-wait.ts';
import type { GatewayProcess, Settings } from '../../support/gateway-process.ts';
import { startRecorder, type Recorder } from './recorder.ts';
import { valuesOf } from './strict-requests.ts';

/** What clients hold. `reader` may use /open/** and /socket/**; `admin` /admin/** too, and no attacker has it. */
export const KEYS = {
  reader: 'attack-reader-key-0001',
  admin: 'attack-admin-key-00002',
  disabled: 'attack-disabled-key-03',
} as const;

/** What the upstream is told about `reader`. */
export const READER = { id: 'reader', owner: 'acme', scopes: 'open:read' } as const;

/** The Host field that cases send. */
export const HOST = 'gateway.test';

const ROUTES: Settings = {
  open: { path: '/open/**', upstream: 'main', scopes: ['open:read'], maxBody: '64KiB' },
  socket: { path: '/socket/**', upstream: 'main', scopes: ['open:read'], upgrade: ['websocket'] },
  admin: { path: '/admin/**', upstream: 'main', scopes: ['admin:write'] },
  public: { path: '/public/**', upstream: 'main', access: 'public' },
};

export interface Arena {
  readonly gateway: GatewayProcess;
  readonly recorder: Recorder;
  readonly scene: Scene;
  close(): Promise<void>;
}

/** Starts everything. @param own changes to the configuration, by its top-level fields, maybe made of the recorder's origin; routes are added */
export async function openArena(own: Settings | ((origin: string) => Settings) = {}): Promise<Arena> {
  const scene = await Scene.open('sqlite');
  try {
    const recorder = await startRecorder();
    scene.onClose(() => recorder.close());
    const usual = settings(recorder.origin);
    const changes = typeof own === 'function' ? own(recorder.origin) : own;
    const routes = { ...(usual['routes'] as Settings), ...(changes['routes'] as Settings | undefined) };
    const gateway = await scene.gateway({ ...usual, ...changes, routes });
    await scene.importKeys(gateway, [
      { id: READER.id, owner: READER.owner, secret: KEYS.reader, scopes: [READER.scopes] },
      { id: 'admin', owner: 'root', secret: KEYS.admin, scopes: ['*'] },
      { id: 'disabled', owner: 'acme', secret: KEYS.disabled, scopes: ['*'] },
    ]);
    await scene.run(gateway, 'keys', 'disable', 'disabled');
    return { gateway, recorder, scene, close: () => scene.close() };
  } catch (error) {
    await scene.close();
    throw error;
  }
}

function settings(origin: string): Settings {
  return {
    upstreams: { main: { targets: [origin] } },
    // Every case fails on purpose, and all come from one address.
    guard: { failures: 1_000_000, per: '1m', block: '1s' },
    routes: ROUTES,
  };
}

/** A request is over, and its log line there, within some ms. */
const LOOKS = { everyMs: 4 };

/** Waits until the gateway has nothing under way and has logged every request that the upstream saw. */
export async function settled(arena: Arena): Promise<void> {
  await eventually(async () => {
    // First too, because a scrape costs both sides more than a look at the lines that are there.
    assertLogged(arena);
    const inFlight = (await arena.gateway.metrics()).sum('portcullis_in_flight_requests');
    assert.equal(inFlight, 0, 'requests are under way');
    assertLogged(arena);
  }, LOOKS);
}

function assertLogged({ gateway, recorder }: Arena): void {
  const logged = new Set(gateway.log.map((line) => line['requestId']));
  const missing = recorder.requests.filter(({ fields }) => !logged.has(valuesOf(fields, 'x-request-id')[0]));
  assert.deepEqual(
    missing.map(({ head }) => head),
    [],
    'requests that no log line names',
  );
}

/** What the process has said of itself that it should not have had to. @param isUpstreamRight whether no 5xx is to be expected */
export function faultsOf({ gateway }: Arena, isUpstreamRight = true): string[] {
  const bugs = gateway.log.filter((line) =>
    isUpstreamRight || line['msg'] !== 'request'
      ? line['level'] === 'error' || line['level'] === 'fatal' || line['status'] === 500
      : line['reason'] === 'internal_error',
  );
  return [...gateway.stray, ...bugs.map((line) => JSON.stringify(line))];
}
