// What is said of every request: counted and logged, each exactly once.
import type { Recorder, RequestRecord } from '../core/ports.ts';
import type { Metrics } from './metrics.ts';
import type { RequestLog } from './request-log.ts';

/** Joins the metrics and the request log. */
export function createRecorder(metrics: Metrics, requestLog: RequestLog): Recorder {
  return {
    began: () => metrics.began(),
    ended: (record: RequestRecord) => {
      metrics.ended(record);
      requestLog.write(record);
    },
  };
}
