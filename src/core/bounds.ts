// Every fixed bound in one place, each with its unit. What an operator may want to change is a
// configuration field instead.

export const BOUNDS = {
  /** Header section of a request, bytes: 431 above. */
  headerBytes: 16 * 1024,
  /** Fields of a request: 431 above. */
  headerCount: 100,
  /** Request target, bytes: 414 above. */
  targetBytes: 8 * 1024,
  /** From a connection's first byte to the end of the header section, ms: 408 above. */
  headersTimeoutMs: 10_000,
  /** An idle kept-alive client connection, ms. */
  keepAliveTimeoutMs: 65_000,
  /** A kept-alive client connection that idles while the gateway drains, ms (SPEC section 6). */
  drainIdleMs: 1_000,
  /** Client connections at once. */
  connections: 20_000,
  /** Unread request body that is read away behind a denial so that the connection can be kept, bytes. */
  drainBodyBytes: 64 * 1024,
  /** What of an unread body is still read while its connection lingers, bytes. */
  lingerBytes: 1024 * 1024,
  /** How long a connection that is being closed behind an unread body lingers, ms. */
  lingerMs: 1_000,
  /** Upstream header section, bytes. */
  upstreamHeaderBytes: 64 * 1024,
  /** Requests waiting for a connection to one target. */
  upstreamQueue: 1_024,
  /** Interim (1xx) answers of an upstream before its final one. */
  upstreamInterim: 8,
  /** What a client sends behind its Upgrade before the upstream has switched protocols, bytes. */
  upgradeHeldBytes: 64 * 1024,
  /** A whole answer up to this goes out in one write with its head, bytes. */
  smallAnswerBytes: 16 * 1024,
  /** Spellings of header names whose fate is remembered. */
  headerNames: 1_024,
  /** Idle connection to a target, ms. */
  upstreamKeepAliveMs: 4_000,
  /** Cached keys: entries, and bytes by estimate. */
  cachedKeys: 100_000,
  cachedKeyBytes: 64 * 1024 * 1024,
  /** Cached texts that no key has. */
  cachedUnknowns: 10_000,
  /** How long a text is remembered as unknown, ms. */
  unknownTtlMs: 5_000,
  /** Look-ups under way at once; above, the store counts as unavailable. */
  lookups: 1_024,
  /** Source prefixes the guard remembers. */
  guardSources: 100_000,
  /** Key ids that `portcullis_key_usage_total` names; others are `other`. */
  usageLabels: 20,
  /** Log lines waiting for a blocked reader, bytes. */
  logBufferBytes: 4 * 1024 * 1024,
  /** Field value in a log line, characters. */
  logFieldLength: 512,
  /** A configuration file, bytes. */
  configBytes: 4 * 1024 * 1024,
  /** A secret's file, bytes. */
  secretBytes: 64 * 1024,
  /** Lease on one unit of concurrency; a gateway renews what it still uses, ms. */
  concurrencyLeaseMs: 30_000,
  concurrencyRenewMs: 10_000,
  /** How long a start waits for a Redis that is not there, and one attempt to connect takes, ms. */
  storeConnectMs: 2_000,
  /** A Redis connection that owes an answer and stays silent is dropped, ms; never before the store's own timeout. */
  storeSilenceMs: 1_000,
  /** Longest pause between two attempts to connect, ms; the first is of 25 ms. */
  storeReconnectMs: 500,
  /** How long a Redis connection that was ended may take to close, ms. */
  storeDisconnectMs: 100,
  /** How long operations wait for the server that takes over from one that says it serves no longer, ms; never beyond the store's own timeout. */
  storeHandoverMs: 500,
  /** Sentinels or Cluster nodes that are asked who serves, unless the URL names more. */
  storeGuides: 16,
  /** How long the others are waited for once one of them has answered, ms. */
  storeGuideGraceMs: 150,
  /** Between two times that one connection has them asked, at the least, ms. */
  storeGuidePauseMs: 100,
  /** Between two looks at who serves while all is well, ms. */
  storeWatchMs: 1_000,
  /** Longest pause before a command is sent again that Redis refused to run, ms; the first is of 10 ms. */
  storeRetryMs: 200,
  /** How long a read of the change feed waits for a change (Redis), or pauses between two looks (SQLite), ms. */
  changeBlockMs: 250,
  changePollMs: 50,
  /** Changes the feed keeps for gateways that lag. */
  changeLogLength: 10_000,
  /** A stored key record, bytes. */
  recordBytes: 1024 * 1024,
  /** Records read at once while keys are listed. */
  listBatch: 500,
} as const;
