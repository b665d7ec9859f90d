// The ops listener: /livez, /readyz and /metrics, apart from the data plane so that it can be bound where only
// operators and their tools reach it.
import { type Server, STATUS_CODES, createServer } from 'node:http';
import express, { type ErrorRequestHandler, type RequestHandler, type Response } from 'express';

/** What `/readyz` depends on. */
export interface Readiness {
  /** Whether the gateway is on its way out. */
  readonly isDraining: boolean;
  /** Why the store does not answer; null where it does. */
  readonly storeFault: string | null;
  /** Of a gateway of several processes: why each worker cannot serve; null where it can. */
  readonly workers?: Readonly<Record<string, string | null>>;
}

export interface OpsOptions {
  /** Asks the store, within its time-out. Many probes at a time share one question. */
  readonly ready: () => Promise<Readiness>;
  /** The text of one scrape. Many callers at a time share one. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Makes the server; the caller lets it listen and closes it. */
export function createOpsServer({ ready, metrics }: OpsOptions): Server {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.use(uncached);

  const askReady = sharedWhileAsked(ready);
  const scrape = sharedWhileAsked(metrics);
  const pages: Readonly<Record<string, RequestHandler>> = {
    '/livez': (_request, response) => {
      response.json({ status: 'alive' });
    },
    '/readyz': async (_request, response) => {
      const { isDraining, storeFault, workers } = await askReady();
      const isReady =
        !isDraining && storeFault === null && Object.values(workers ?? {}).every((fault) => fault === null);
      const checks = { store: storeFault ?? 'ok', draining: isDraining, ...(workers && { workers: inWords(workers) }) };
      response.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'unready', checks });
    },
    '/metrics': async (_request, response) => {
      const { contentType, text } = await scrape();
      response.set('Content-Type', contentType).send(text);
    },
  };
  for (const [path, page] of Object.entries(pages)) app.route(path).get(page).all(onlyGet);
  app.use((_request, response) => problem(response, 404, 'route_not_found'));
  app.use(onError);

  const server = createServer(
    {
      requestTimeout: 10_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 30_000,
      // Node looks every 30 s: for so long, silent connections would keep every probe out.
      connectionsCheckingInterval: 500,
      maxHeaderSize: 8 * 1024,
    },
    app,
  );
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

/** Probes and scrapers are few; more connections than this are a mistake or an attack. */
const MOST_CONNECTIONS = 256;

function inWords(workers: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(workers).map(([worker, fault]) => [worker, fault ?? 'ok']));
}

/** Callers that come while a question is under way get its answer. */
function sharedWhileAsked<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let asked: Promise<Answer> | undefined;
  return () => {
    asked ??= ask().finally(() => {
      asked = undefined;
    });
    return asked;
  };
}

const uncached: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store').set('X-Content-Type-Options', 'nosniff');
  next();
};

const onlyGet: RequestHandler = (_request, response) => {
  response.set('Allow', 'GET, HEAD');
  problem(response, 405, 'method_not_allowed');
};

/** Express would answer with a page that shows the stack; four parameters make it an error handler. */
const onError: ErrorRequestHandler = (error: { readonly status?: unknown }, _request, response, _next) => {
  if (response.headersSent) response.destroy();
  else if (error.status === 400) problem(response, 400, 'ambiguous_request');
  else problem(response, 500, 'internal_error');
};

function problem(response: Response, status: number, code: string): void {
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: `urn:portcullis:problem:${code}`, title: STATUS_CODES[status], status, code }));
}
