// The Redis that a URL names, as every connection of one store shares it: a single server at its address, or,
// behind Sentinels and in a Cluster, whichever serves our keys just now. All our keys are in one slot, so a Cluster,
// too, is one server for us, at an address that is asked for.
import { Redis, type RedisOptions } from 'ioredis';
import { BOUNDS } from '../core/bounds.ts';
import { UserFault } from '../core/fault.ts';
import { parseRedisUrl, placeText, type RedisPlace, type RedisUrl } from '../core/redis-url.ts';
import { askClusterNode } from './redis-cluster.ts';
import { guidedConnector, placeConnector } from './redis-connector.ts';
import { RedisGuides, type Sighting } from './redis-guides.ts';
import { askSentinel } from './redis-sentinel.ts';

/** Options of ioredis, but for one whose type does not fit its own constructor. */
export type RedisClientOptions = Omit<RedisOptions, 'replyMapping'>;

export interface RedisServer {
  readonly kind: RedisUrl['kind'];
  /** For messages: never its credentials. */
  readonly address: string;
  /** The node that serves just now, for messages. */
  readonly node: string;
  /** Who knows the address; undefined for a single server. */
  readonly guides: RedisGuides | undefined;
  /** How ioredis gets a connection to it. */
  readonly options: RedisClientOptions;
  /** How ioredis gets one to a certain node. */
  optionsAt(place: RedisPlace): RedisClientOptions;
}

/**
 * Reads the URL; connects to nothing.
 * @param tag the hash tag of all our keys, without its braces
 * @throws {UserFault} if the URL is none
 */
export function redisServer(url: string, tag: string): RedisServer {
  const parsed = parseRedisUrl(url);
  if (!parsed.ok) throw new UserFault(`store.url ${parsed.problem}.`, 78);
  const { kind, places, isTls, credentials } = parsed.url;
  const tls: RedisClientOptions = isTls ? { tls: {} } : {};
  const access: RedisClientOptions = {
    ...tls,
    ...(credentials?.user !== undefined && { username: credentials.user }),
    ...(credentials && { password: credentials.password }),
  };
  const database: RedisClientOptions = 'database' in parsed.url ? { db: parsed.url.database } : {};
  const at = ({ host, port }: RedisPlace): RedisClientOptions => ({
    host,
    port,
    Connector: placeConnector({ host, port }, isTls),
  });
  const optionsAt = (place: RedisPlace): RedisClientOptions => ({ ...access, ...database, ...at(place) });
  const listed = [...places.slice(0, LISTED).map(placeText), ...(places.length > LISTED ? ['…'] : [])].join(', ');
  switch (parsed.url.kind) {
    case 'server':
      return {
        kind,
        address: listed,
        node: listed,
        guides: undefined,
        options: optionsAt(parsed.url.places[0]),
        optionsAt,
      };
    case 'sentinel': {
      const { primary } = parsed.url;
      return guided(`${primary} (Sentinels ${listed})`, {
        role: 'Sentinel',
        // A primary that they put aside goes on taking changes for seconds, which are lost; each may know of it first.
        watched: BOUNDS.storeGuides,
        // They are offered credentials only if they ask for some.
        access: tls,
        ask: (client, guide) => askSentinel(client, guide, primary, credentials),
      });
    }
    case 'cluster':
      return guided(`${listed} (Cluster)`, {
        role: 'node of the Cluster',
        // A node that serves no longer says so by itself.
        watched: 1,
        access,
        ask: (client, guide) => askClusterNode(client, guide, tag),
      });
  }

  function guided(address: string, { role, watched, access: guideAccess, ask }: Guidance): RedisServer {
    const guides = new RedisGuides({
      places,
      role,
      watched,
      ask,
      connect: (place) => new Redis({ ...GUIDE_OPTIONS, ...guideAccess, ...at(place) }),
    });
    const options = { ...access, ...database, Connector: guidedConnector(guides, isTls) };
    return {
      kind,
      address,
      get node() {
        return guides.newest ? placeText(guides.newest) : address;
      },
      guides,
      options,
      optionsAt,
    };
  }
}

/** How many places a message lists. */
const LISTED = 3;

interface Guidance {
  readonly role: string;
  readonly watched: number;
  readonly access: RedisClientOptions;
  readonly ask: (client: Redis, guide: RedisPlace) => Promise<Sighting>;
}

/** A guide is asked once over a connection of its own, which ends with the answer. */
const GUIDE_OPTIONS: RedisClientOptions = {
  lazyConnect: true,
  connectionName: 'portcullis-guide',
  disableClientInfo: true,
  protocol: 2,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  retryStrategy: () => null,
  connectTimeout: BOUNDS.storeSilenceMs,
  commandTimeout: BOUNDS.storeSilenceMs,
  socketTimeout: BOUNDS.storeSilenceMs,
  disconnectTimeout: BOUNDS.storeDisconnectMs,
};
