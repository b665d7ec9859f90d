// A real Redis Cluster of a test's own: three primaries with a replica each, whose nodes can be killed and whose
// slots can be moved.
import { eventually } from './acceptance-wait.ts';
import { startRedis, tell, type RedisOptions, type TestRedis } from './redis.ts';

const PRIMARIES = 3;
const SLOTS = 16_384;

export interface ClusterOptions {
  /** Lines of every node's redis.conf. */
  readonly config?: Readonly<Record<string, string>>;
}

export class TestCluster {
  /** Three primaries, then the replica of each. */
  readonly nodes: readonly TestRedis[];
  readonly url: string;
  readonly #ids = new Map<TestRedis, string>();

  constructor(nodes: readonly TestRedis[]) {
    this.nodes = nodes;
    this.url = `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** The node that serves a prefix's slot, as the first node sees it that answers. */
  async ownerOf(prefix: string): Promise<TestRedis> {
    return this.#primaryIn(await this.#rangeOf(prefix));
  }

  /** Another primary than the one that serves the prefix's slot. */
  async anotherThan(owner: TestRedis): Promise<TestRedis> {
    for (const range of await this.#ranges()) {
      const primary = this.#primaryIn(range);
      if (primary !== owner) return primary;
    }
    throw new Error('the Cluster has one primary');
  }

  /** The replica of a primary. */
  async replicaOf(primary: TestRedis): Promise<TestRedis> {
    const [line] = (await tell(primary, 'cluster', 'replicas', this.#idOf(primary))) as string[];
    const replica = this.nodes.find((node) => line?.startsWith(`${this.#idOf(node)} `));
    if (!replica) throw new Error(`the node at port ${primary.port} has no replica`);
    return replica;
  }

  /**
   * Moves the prefix's slot to another primary, key by key, as `redis-cli --cluster reshard` does.
   * @param halfway is waited for once half of the keys have moved
   */
  async moveSlot(prefix: string, halfway: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const source = await this.ownerOf(prefix);
    const target = await this.anotherThan(source);
    const slot = String(await tell(source, 'cluster', 'keyslot', prefix));
    await tell(target, 'cluster', 'setslot', slot, 'importing', this.#idOf(source));
    await tell(source, 'cluster', 'setslot', slot, 'migrating', this.#idOf(target));
    const half = Math.ceil(Number(await tell(source, 'cluster', 'countkeysinslot', slot)) / 2);
    await this.#moveKeys(slot, source, target, half);
    await halfway();
    await this.#moveKeys(slot, source, target, Number.POSITIVE_INFINITY);
    for (const node of [target, source]) await tell(node, 'cluster', 'setslot', slot, 'node', this.#idOf(target));
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
  }

  /** Makes one Cluster of the nodes and waits until all of them say that it is. */
  async form(): Promise<void> {
    for (const [index, node] of this.nodes.entries()) {
      this.#ids.set(node, String(await tell(node, 'cluster', 'myid')));
      await tell(node, 'cluster', 'set-config-epoch', String(index + 1));
      if (index < PRIMARIES) await tell(node, 'cluster', 'addslots', ...slotsOf(index));
    }
    const [first, ...others] = this.nodes;
    for (const { port } of others) await tell(first as TestRedis, 'cluster', 'meet', '127.0.0.1', String(port));
    for (const [index, node] of this.nodes.entries()) {
      const primary = this.nodes[index - PRIMARIES];
      // Accepted once the node has heard of the primary.
      if (primary) await eventually(() => tell(node, 'cluster', 'replicate', this.#idOf(primary)));
    }
    for (const node of this.nodes)
      await eventually(async () => {
        const state = String(await tell(node, 'cluster', 'info'));
        if (!state.includes('cluster_state:ok')) throw new Error(state);
        const isReplica = this.nodes.indexOf(node) >= PRIMARIES;
        const info = String(await tell(node, 'info', 'replication'));
        if (!info.includes(isReplica ? 'master_link_status:up' : 'connected_slaves:1')) throw new Error(info);
        const nodes = String(await tell(node, 'cluster', 'nodes'));
        if ((nodes.match(/slave /g) ?? []).length !== PRIMARIES) throw new Error(nodes);
      });
  }

  async #moveKeys(slot: string, source: TestRedis, target: TestRedis, most: number): Promise<void> {
    for (let moved = 0; moved < most;) {
      const keys = (await tell(source, 'cluster', 'getkeysinslot', slot, '10')) as string[];
      if (keys.length === 0) return;
      await tell(source, 'migrate', '127.0.0.1', String(target.port), '', '0', '5000', 'keys', ...keys);
      moved += keys.length;
    }
  }

  async #rangeOf(prefix: string): Promise<unknown[]> {
    const slot = Number(await tell(this.#running(), 'cluster', 'keyslot', prefix));
    const range = (await this.#ranges()).find(([from, to]) => Number(from) <= slot && slot <= Number(to));
    if (!range) throw new Error(`nobody serves slot ${slot}`);
    return range;
  }

  async #ranges(): Promise<unknown[][]> {
    return (await tell(this.#running(), 'cluster', 'slots')) as unknown[][];
  }

  #primaryIn([, , primary]: unknown[]): TestRedis {
    const port = (primary as unknown[])[1];
    const node = this.nodes.find((each) => each.port === port);
    if (!node) throw new Error(`no node of ours is at port ${String(port)}`);
    return node;
  }

  #running(): TestRedis {
    const node = this.nodes.find(({ isRunning }) => isRunning);
    if (!node) throw new Error('no node is running');
    return node;
  }

  #idOf(node: TestRedis): string {
    return this.#ids.get(node) ?? '';
  }
}

/** Starts a Cluster; `dispose` it in an `after` hook. */
export async function startCluster({ config = {} }: ClusterOptions = {}): Promise<TestCluster> {
  const options: RedisOptions = {
    config: {
      'cluster-enabled': 'yes',
      'cluster-node-timeout': '1000',
      'repl-diskless-sync-delay': '0',
      ...config,
    },
  };
  const nodes = await Promise.all(Array.from({ length: 2 * PRIMARIES }, () => startRedis(options)));
  const cluster = new TestCluster(nodes);
  try {
    await cluster.form();
    return cluster;
  } catch (error) {
    await cluster.dispose();
    throw error;
  }
}

function slotsOf(index: number): string[] {
  const from = Math.floor((index * SLOTS) / PRIMARIES);
  const to = Math.floor(((index + 1) * SLOTS) / PRIMARIES);
  return Array.from({ length: to - from }, (_, offset) => String(from + offset));
}
