// How a worker is started so that it takes less memory, where whoever started the gateway has not chosen otherwise. It
// is fixed when a process starts; for a gateway of one process the image and the systemd unit set the same.
//
// V8's young generation is left as it is: bounded to half, it saves some 40 MB under load and costs a twentieth more
// CPU a request (`npm run bench`).

/**
 * The environment. The C library would keep what its threads have freed in one pool for each of them; one pool for
 * all wastes less, and these threads seldom allocate at the same time. And what is free at the end of the pool it
 * gives back above so many bytes, and takes large pieces from elsewhere; left alone it raises both bounds, up to tens of
 * megabytes, by what it was asked for before (mallopt(3), M_MMAP_THRESHOLD).
 */
export function workerEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '1048576', ...env };
}
