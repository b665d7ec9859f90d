// The sample upstream alone, for compose.yaml: `node src/demo/orders.ts HOST PORT`.
import { startUpstream } from './upstream.ts';

const [host = '127.0.0.1', port = '3000'] = process.argv.slice(2);
const upstream = await startUpstream(Number(port), host);
console.log(`the orders API listens at ${upstream.origin}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void upstream.close());
