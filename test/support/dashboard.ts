// Reads a Grafana dashboard: its panels, and the queries that Grafana would send for them.
import { readFileSync } from 'node:fs';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly thresholds?: unknown } };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

/** One query of a panel, as text that Prometheus understands. */
export interface PanelQuery {
  readonly panel: string;
  readonly expression: string;
}

export function readDashboard(file: URL): Dashboard {
  return JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
}

/** Every query, with `All` chosen in the variables and `interval` for `$__rate_interval`. */
export function panelQueries(dashboard: Dashboard, interval: string): PanelQuery[] {
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => ({
      panel: `${title} (${refId})`,
      expression: expr.replaceAll('$__rate_interval', interval).replace(/\$(?:instance|route)\b/g, '.*'),
    })),
  );
}
