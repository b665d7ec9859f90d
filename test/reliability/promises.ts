// The promises, in the words of the page that shows what was measured of them.

/** By number, from 1. */
export const PROMISES: readonly string[] = [
  'A revoked, disabled or narrowed key is refused on every instance: p99 within 250 ms, at most 1 s; within 5 s with the change feed lost; within `maxStaleness` when cut off, then 503. Its open WebSockets and streams close within 1 s.',
  'A limit is never exceeded: 8 instances, 2,000 parallel requests, limit 100: exactly 100 pass.',
  '0 failed requests in 100 reloads and 20 rolling restarts under load; exit within 30 s.',
  '10 million different bad keys: memory flat (at most 10 MiB more from the 1st to the 10th million), metric series constant, Redis keys bounded by source prefixes.',
  'The store stalls for 10 s: every request is answered within 150 ms of the store timeout, known fresh keys still pass; recovery within 2 s, no restart.',
  "Redis killed and restarted, switched to a replica, out of memory, failed over by Sentinel, a Cluster slot moved: no crash, no unauthorised request, recovery within 2 s of the store's own.",
  'Over 1,000 framing mutations and every fault: unauthorised requests that reached the upstream: 0.',
  'A canary key appears in 0 places: logs, metrics, errors, Redis dump, SQLite file, upstream bytes.',
  '`kill -9` at any time loses no acknowledged change: 1,000 kills on SQLite; Redis as its `appendfsync` promises, checked and said at start.',
  'A bad configuration never replaces a good one; a reader of the log learns the line and the cure.',
  '100,000 client aborts and 10,000 WebSockets leave file descriptors and upstream connections at their baseline within 5 s.',
  'Clocks may jump an hour on one instance: limits follow Redis `TIME`.',
];
