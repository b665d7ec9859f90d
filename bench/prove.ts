// Shows that a stack does the whole job before it is measured: what does less would only look fast.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ask, type Question } from './ask.ts';
import { type KeySet, STRANGER, TINY_LIMIT, unknownText } from './keys.ts';
import type { RunningStack, Scene, Stack } from './stack.ts';

/** @returns what is wrong, in one sentence each; empty if nothing is */
export async function prove(stack: Stack, scene: Omit<Scene, 'upstream'>): Promise<readonly string[]> {
  await using upstream = await echo();
  let running: RunningStack | undefined;
  try {
    running = await stack.start({ ...scene, upstream: upstream.port });
    return stack.job === 'plain'
      ? await findPlainFaults(running.port)
      : await findFaults(running.port, scene.keys, stack);
  } catch (fault) {
    return [(fault as Error).message];
  } finally {
    await running?.stop();
  }
}

async function findPlainFaults(port: number): Promise<string[]> {
  const { status } = await ask(port, {});
  return status === 200 ? [] : [`answered ${status} instead of 200`];
}

async function findFaults(port: number, keys: KeySet, stack: Stack): Promise<string[]> {
  const { paths, tinyPath, presented = (text: string) => text } = stack;
  const good = keys.working[0]!;
  const faults: string[] = [];
  const expect = async (what: string, { key, ...question }: Question, right: number): Promise<string> => {
    const { status, body } = await ask(port, {
      ...(paths && { path: paths[0]! }),
      ...(key !== undefined && { key: presented(key) }),
      ...question,
    });
    if (status !== right) faults.push(`${what}: answered ${status} instead of ${right}`);
    return body;
  };
  const seen = await expect('a good key', { key: good.text }, 200);
  const isTold = new RegExp(`"(?:x|eg)-consumer-id":"${good.owner}"`).test(seen);
  if (!isTold) faults.push('a good key: the upstream was not told whose it is');
  if (seen.includes(good.text)) faults.push('a good key: the upstream was given the key');
  await expect('no key', {}, 401);
  await expect('an unknown key', { key: unknownText() }, 401);
  await expect('a key without the scope', { key: keys.powerless.text }, 403);
  if (!stack.hasNoNetworks) await expect('an address that is not allowed', { key: good.text, from: STRANGER }, 403);
  const tiny = { key: keys.tiny.text, ...(tinyPath !== undefined && { path: tinyPath }) };
  for (let count = 1; count <= TINY_LIMIT; count++) await expect('within the limit', tiny, 200);
  await expect('above the limit', tiny, 429);
  return faults;
}

/** An upstream that answers with the headers it was sent. */
async function echo(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => response.end(JSON.stringify(request.headers)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
    return Promise.resolve();
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}
