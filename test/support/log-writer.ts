// A program that logs to its standard output: `log-writer LINES close|exit|throw`.
import { createLog } from '../../src/record/log.ts';

const [, , lines, ending] = process.argv;
const log = createLog({ level: 'info' });
for (let at = 0; at < Number(lines); at++) log.info('a line', { at, padding: '.'.repeat(100) });
if (ending === 'close') {
  await log.close();
  process.stderr.write(`dropped ${log.dropped}\n`);
  process.exit(0);
}
if (ending === 'throw') throw new Error('a defect');
process.exit(0);
