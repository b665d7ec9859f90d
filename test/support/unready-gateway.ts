// A gateway that is not to get ready, or not yet: started on ports that are known before it listens.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './acceptance-ports.ts';
import type { Scene } from './acceptance-scene.ts';
import type { GatewayProcess, Settings } from './gateway-process.ts';

export interface UnreadyGateway {
  readonly proxyPort: number;
  readonly opsPort: number;
  readonly configFile: string;
  /** The process, once it is ready; rejects, with all that it said, where it ends before that. */
  readonly ready: Promise<GatewayProcess>;
}

/** Writes a configuration and starts a gateway on it; the scene ends it. */
export async function startUnready(scene: Scene, name: string, own: Settings): Promise<UnreadyGateway> {
  const [proxyPort, opsPort] = await Promise.all([freePort(), freePort()]);
  const file = join(scene.directory, `${name}.yaml`);
  const listen = { proxy: `127.0.0.1:${proxyPort}`, ops: `127.0.0.1:${opsPort}` };
  await writeFile(file, stringify({ version: 1, listen, ...scene.settings(own) }));
  const ready = scene.gateway(own, { existing: { file, proxyPort, opsPort } });
  ready.catch(() => {});
  return { proxyPort, opsPort, configFile: file, ready };
}
