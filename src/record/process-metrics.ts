// The usual metrics of the process and of Node.js, under the names that other programs use too.
import { type Registry, collectDefaultMetrics } from 'prom-client';

export function publishProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
}

/** Gauges of prom-client's that are named like counters, which promtool faults: sums of what others show by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
