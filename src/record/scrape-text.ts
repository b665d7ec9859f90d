// The text of a scrape as numbers that can be added up, and back. It reads only what our own registry writes.

/** All series of one metric. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Value by the series as written, labels and all. */
  readonly series: Map<string, number>;
}

/** Families by name, in the order of the text. */
export function readFamilies(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let help = '';
  let series: Map<string, number> | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) {
      help = line.slice(line.indexOf(' ', 7) + 1);
    } else if (line.startsWith('# TYPE ')) {
      const [name = '', type = ''] = line.slice(7).split(' ');
      series = new Map();
      families.set(name, { name, type, help, series });
    } else if (line !== '') {
      const space = line.lastIndexOf(' ');
      series?.set(line.slice(0, space), readValue(line.slice(space + 1)));
    }
  }
  return families;
}

export function writeFamilies(families: Iterable<Family>): string {
  let text = '';
  for (const { name, type, help, series } of families) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const [labelled, value] of series) text += `${labelled} ${writeValue(value)}\n`;
    text += '\n';
  }
  return text;
}

function readValue(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

function writeValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}
