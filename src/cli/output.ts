import { Option } from 'commander';
import pc from 'picocolors';
import { visibleText } from '../text/index.ts';
import { cliTable, yaml } from './late-libraries.ts';

const FORMATS = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof FORMATS)[number];

/** `-o`: every verb that shows something has it. JSON and YAML have what the API answers, and keep their names. */
export function outputOption(): Option {
  return new Option(
    '-o, --output <format>',
    'how it is shown: a table on a terminal, JSON elsewhere',
  ).choices(FORMATS);
}

/** How it is to be shown: as was asked, or as suits where it goes. */
export function outputFormat(asked: OutputFormat | undefined): OutputFormat {
  return asked ?? (process.stdout.isTTY ? 'table' : 'json');
}

/** Writes a value to standard output; `table` is called only where it is wanted. */
export async function print(value: unknown, format: OutputFormat, table: () => string): Promise<void> {
  if (format === 'json') await write(`${JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : 0)}\n`);
  else if (format === 'yaml') await write(yaml().stringify(value, { lineWidth: 0 }));
  else await write(`${table()}\n`);
}

/** Writes to standard output no faster than it is read. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve));
}

/** Rows below their headings. Nothing is cut: an identifier that is cut is none. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const Table = cliTable();
  const made = new Table({
    head: headings.map(heading => pc.bold(heading)),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const row of rows) made.push(row.map(cell => cell.split('\n').map(visibleText).join('\n')));
  return trimLines(made.toString());
}

/** The members of one record, one a line. */
export function listMembers(members: readonly (readonly [name: string, value: string])[]): string {
  const Table = cliTable();
  const made = new Table({
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const [name, value] of members)
    made.push([pc.bold(name), value.split('\n').map(visibleText).join('\n')]);
  return trimLines(made.toString());
}

/** Space at the end of a line would wrap on a narrow terminal. */
function trimLines(text: string): string {
  return text.replaceAll(/ +$/gm, '');
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};
