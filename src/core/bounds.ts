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
  /** A client that takes nothing of an answer that is there for it, ms. */
  unreadMs: 60_000,
  /** Requests of one connection that are not answered: the answer to the last of them ends it. */
  pipelined: 100,
  /** Requests behind an answer that ends its connection: they are not processed, and above the connection is cut. */
  ignoredBehind: 400,
  /** A kept-alive client connection that idles while the gateway drains, ms (SPEC section 6). */
  drainIdleMs: 1_000,
  /** How long a gateway that ends waits until all requests are recorded that have ended or were cut, ms. */
  lastRecordsMs: 500,
  /** Client connections at once; fewer where the process may not have descriptors enough. */
  connections: 20_000,
  /** Descriptors that neither clients nor upstreams get: of the store, the log, the ops listener, the runtime. */
  keptDescriptors: 64,
  /** Between two log lines about connections that had to be closed, ms. */
  fullNoticeMs: 10_000,
  /** Unread request body that is read away behind a denial so that the connection can be kept, bytes. */
  drainBodyBytes: 64 * 1024,
  /** What of an unread body is still read while its connection lingers, bytes. */
  lingerBytes: 1024 * 1024,
  /** How long a connection that is being closed behind an unread body lingers, ms. */
  lingerMs: 1_000,
  /** Upstream header section, bytes: interim answers' and the final one's together. */
  upstreamHeaderBytes: 64 * 1024,
  /** Fields of an upstream's answer, and of its trailers. */
  upstreamFields: 512,
  /** Upstream trailer section, bytes. */
  upstreamTrailerBytes: 16 * 1024,
  /** Digits of a chunk's size: few enough for it to be exact as a number. */
  chunkSizeDigits: 12,
  /** Extensions of one chunk of an upstream's answer, bytes. */
  chunkExtensionBytes: 4 * 1024,
  /** Spellings of an upstream's field names that are kept as one string each. */
  upstreamFieldNames: 1_024,
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
  /** How long before a target would close an idle connection by its own word that is done, ms. */
  upstreamKeepAliveMarginMs: 1_000,
  /** Between two looks at the deadlines of all upstream connections, ms: how late a timeout may be. */
  sweepMs: 50,
  /** The buffer that all upstream connections read to, bytes. */
  sharedReadBytes: 64 * 1024,
  /** A buffer for a large upstream body, bytes, and how many that are not in use are kept. */
  largeReadBytes: 256 * 1024,
  largeReadsKept: 32,
  /** Cached keys: entries, and bytes of their compact texts. */
  cachedKeys: 100_000,
  cachedKeyBytes: 64 * 1024 * 1024,
  /** Of these, the busiest are held as objects too: how many, and bytes of their compact texts. */
  decodedKeys: 4_096,
  decodedKeyBytes: 8 * 1024 * 1024,
  /** Cached texts that are refused: no key has them, or one that is not in force. */
  cachedRefusals: 10_000,
  /** How long a text is remembered as refused, ms. */
  refusalTtlMs: 5_000,
  /** A refusal for which the store was asked is held back until so long after it was asked, ms. */
  refusalHoldMs: 5,
  /** Look-ups under way at once; above, the store counts as unavailable. */
  lookups: 1_024,
  /** Source prefixes the guard remembers. */
  guardSources: 100_000,
  /** How long a count that all gateways share is waited for, ms; never beyond the store's timeout, which the look-up behind it then has for itself. */
  guardCountMs: 100,
  /** Key ids that `portcullis_key_usage_total` names; others are `other`. */
  usageLabels: 20,
  /** Series of one metric that are kept of worker processes that have ended. */
  endedSeries: 10_000,
  /** Between two signs of life that the primary asks a worker for, ms; how many may be missing in a row before it counts as silent, and before it is replaced. */
  workerPulseMs: 1_000,
  workerSilentPulses: 2,
  workerLostPulses: 10,
  /** How long a scrape waits for a worker, and how long a probe does, store.timeout aside, ms. */
  workerScrapeMs: 250,
  workerProbeMs: 1_000,
  /** How long a worker may take to end, beyond shutdown.timeout, ms. */
  workerEndMs: 3_000,
  /** How often a worker looks whether it has followed the store further, and tells its primary, ms. */
  workerLineageMs: 100,
  /** From the start of a worker to the time it listens, ms. */
  workerStartMs: 30_000,
  /** A worker that ends sooner after its start than this did not settle, ms; those behind it wait longer and longer, up to the pause. */
  workerSettledMs: 5_000,
  workerPauseMs: 10_000,
  /** What is told of the guard between workers at once, sources; how long it is collected, ms. */
  guardNews: 4_096,
  guardNewsMs: 10,
  /** Log lines waiting for a blocked reader, bytes. */
  logBufferBytes: 4 * 1024 * 1024,
  /** Log lines that go out in one write, bytes. */
  logChunkBytes: 64 * 1024,
  /** How long a log line waits for others to go out with, ms. */
  logDelayMs: 10,
  /** Field value in a log line, characters. */
  logFieldLength: 512,
  /** How long a pipe in the place of a configuration's or a secret's file may give nothing, ms. */
  fileSilenceMs: 2_000,
  /** A configuration file, bytes. */
  configBytes: 4 * 1024 * 1024,
  /** A configuration file that is read at once while the gateway runs, bytes; a larger one is read by a thread. */
  configAtOnceBytes: 32 * 1024,
  /** A secret's file, bytes. */
  secretBytes: 64 * 1024,
  /** Lease on one unit of concurrency; a gateway renews what it still uses, ms. */
  concurrencyLeaseMs: 30_000,
  concurrencyRenewMs: 10_000,
  /** Subjects of limits of which admissions may be held ahead; and what requests alike demand, remembered. */
  leases: 16_384,
  limitSets: 16_384,
  /** Admissions of one subject asked for ahead. */
  leaseLot: 65_536,
  /** The longest that admissions are held without the store's being asked again, ms. */
  leaseMs: 10_000,
  /** Without a request for so long, what is held of a subject is given back; and the subject is forgotten, ms. */
  leaseIdleMs: 1_000,
  leaseForgottenMs: 10_000,
  /** How often that is looked at, ms, and subjects given back by one operation. */
  leaseSweepMs: 250,
  leasesGivenBackAtOnce: 100,
  /** How long a refusal is repeated without asking the store again, ms. */
  leaseRefusalMs: 100,
  /** After a store fault nothing is asked for ahead for so long, ms. */
  leaseRetryMs: 1_000,
  /** How long a start waits for a Redis that is not there, and one attempt to connect takes, ms. */
  storeConnectMs: 2_000,
  /** A Redis connection that owes an answer and stays silent is dropped, ms; never before the store's own timeout. */
  storeSilenceMs: 1_000,
  /** Longest pause between two attempts to connect, ms; the first is of 25 ms. */
  storeReconnectMs: 500,
  /** Between two looks at whether a Redis in use is still fit to hold our keys, ms. */
  storeFitnessMs: 2_000,
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
  /** Between two looks at what is open: how late an exchange may hear that its key has ended, ms; and after a store fault, ms. */
  recheckMs: 100,
  recheckRetryMs: 250,
  /** How long one look asks the store for keys, ms, before it gives way to one that knows of newer changes. */
  recheckAskingMs: 400,
  /** Open exchanges decided again, and keys asked for, in one turn of the event loop. */
  recheckedAtOnce: 64,
  /** Ids of changed keys that are collected between two looks; above, every open exchange is decided again. */
  changedKeys: 65_536,
  /** How long the client's side of an exchange that was ended for its key may take to close, ms. */
  endedLingerMs: 500,
  /** Longest pause before a command is sent again that Redis refused to run, ms; the first is of 10 ms. */
  storeRetryMs: 200,
  /** How long a read of the change feed waits for a change (Redis), or pauses between two looks (SQLite), ms. */
  changeBlockMs: 250,
  changePollMs: 50,
  /** How long nobody waits for a SQLite write lock that was waited for in vain, ms: waiting holds up every request. */
  sqliteImpatienceMs: 1_000,
  /**
   * A process that stood still for so long believes no cached key until it has heard from the store again, ms: with
   * that, a change made meanwhile is in force within the second that is promised. And how often it looks, ms.
   */
  stoodStillMs: 750,
  wakeBeatMs: 100,
  /** Changes the feed keeps for gateways that lag. */
  changeLogLength: 10_000,
  /** A stored key record, bytes. */
  recordBytes: 1024 * 1024,
  /** One answer of Redis, bytes: far more than any question asks for. */
  storeReplyBytes: 32 * 1024 * 1024,
  /** Records read at once while keys are listed. */
  listBatch: 500,
  /** A batch ends with the record that brings its texts to this, bytes. */
  listBatchBytes: 4 * 1024 * 1024,
} as const;
