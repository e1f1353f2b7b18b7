import { yaml } from '../late-libraries.ts';
import { listMembers, type OutputFormat, print, table, write } from '../output.ts';
import { type Json, jsonOf } from './flags.ts';
import { isList, type Verb } from './verbs.ts';

type Record_ = Readonly<Record<string, unknown>>;
/** The way to a value in a record. */
type Path = readonly string[];

/** Shows what a call answers. Warnings and what is left go to standard error, so that output stays what it is. */
export async function showAnswer(verb: Verb, answer: unknown, format: OutputFormat): Promise<void> {
  const { items, next, secret } = answer as { items?: readonly Record_[]; next?: string; secret?: string };
  await print(answer, format, () => (items ? tableOf(verb, items) : membersOf(answer as Record_)));
  if (format !== 'table') return;
  if (items?.length === 0) process.stderr.write('(none)\n');
  if (next !== undefined) process.stderr.write(`There are more: --after ${next}, or --all\n`);
  if (secret !== undefined)
    process.stderr.write('The secret is shown this once, and stored nowhere: keep it.\n');
}

/** Shows every record of all pages: JSON as they come, in the same form as one page. */
export async function showEveryPage(
  verb: Verb,
  records: AsyncIterable<unknown>,
  format: OutputFormat,
): Promise<void> {
  const progress = countOnTerminal();
  const kept: Record_[] = [];
  let count = 0;
  if (format === 'json') await write('{"items":[');
  for await (const record of records) {
    if (format === 'json') await write(`${count === 0 ? '' : ','}${JSON.stringify(record)}`);
    else kept.push(record as Record_);
    count += 1;
    progress(count);
  }
  progress();
  if (format === 'json') await write(']}\n');
  else await print({ items: kept }, format, () => tableOf(verb, kept));
}

/** Says on a terminal, in place, how many have come; without a number, wipes it away. */
function countOnTerminal(): (count?: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  let shownAt = performance.now();
  return count => {
    const now = performance.now();
    if (count !== undefined && now - shownAt < 100) return;
    shownAt = now;
    process.stderr.write(count === undefined ? '\r\u001b[K' : `\r${count} records`);
  };
}

/**
 * Records below headings: of each what is on one line, in the order in which it is described. On a terminal, as many columns as
 * it has room for; what does not fit is in the other formats.
 */
function tableOf({ call }: Verb, records: readonly Record_[]): string {
  const item: Json = isList(call) ? (jsonOf(call.answer, 'output').properties?.['items']?.items ?? {}) : {};
  const columns = columnsOf(item).filter(path => records.some(record => valueAt(record, path) !== undefined));
  const rows = records.map(record => columns.map(path => inWords(path.at(-1), valueAt(record, path))));
  const room = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  const widths = columns.map(
    (path, at) => Math.max(heading(path).length, ...rows.map(row => row[at]?.length ?? 0)) + 2,
  );
  const fitting = columnsThatFit(columns, widths, room + 2);
  const left = columns.filter((_, at) => !fitting.has(at)).map(heading);
  if (left.length > 0) {
    const they = left.length === 1 ? 'It' : 'They';
    process.stderr.write(
      `No room for ${left.join(', ')}. ${they} can be seen in a wider terminal, and with -o yaml.\n`,
    );
  }
  return table(
    columns.filter((_, at) => fitting.has(at)).map(heading),
    rows.map(row => row.filter((_, at) => fitting.has(at))),
  );
}

/** What somebody looks for in a list: it gets room before the rest. */
const LOOKED_FOR: readonly string[] = [
  ...['id', 'name', 'status', 'what', 'type', 'outcome', 'target', 'reason', 'by', 'client', 'at'],
];

/** The places of the columns for which there is room: what is looked for comes first, then the others in their order. */
export function columnsThatFit(
  columns: readonly Path[],
  widths: readonly number[],
  room: number,
): ReadonlySet<number> {
  const rankOf = (at: number): number => {
    const rank = LOOKED_FOR.indexOf(heading(columns[at] ?? []));
    return rank === -1 ? LOOKED_FOR.length : rank;
  };
  const places = columns.map((_, at) => at).sort((a, b) => rankOf(a) - rankOf(b) || a - b);
  const fitting = new Set<number>();
  let left = room;
  for (const at of places) {
    const width = widths[at] ?? 0;
    if (fitting.size > 0 && width > left) continue;
    fitting.add(at);
    left -= width;
  }
  return fitting;
}

/** What says most of a row comes first: a hash says least. */
function columnsOf(item: Json, before: Path = []): readonly Path[] {
  const columns = Object.entries(item.properties ?? {}).flatMap(([name, json]): readonly Path[] => {
    if (name === 'hash') return [];
    if (json.type === 'object' && before.length === 0) return columnsOf(json, [name]);
    const isSimple = json.type !== 'object' && json.type !== 'array' && !json.anyOf && !json.oneOf;
    return isSimple ? [[...before, name]] : [];
  });
  return columns;
}

function heading(path: Path): string {
  return path.at(-1) ?? '';
}

function valueAt(record: Record_, path: Path): unknown {
  return path.reduce<unknown>((value, name) => (value as Record_ | undefined)?.[name], record);
}

function membersOf(record: Record_): string {
  return listMembers(Object.entries(record).map(([name, value]) => [name, inWords(name, value)]));
}

/** A value for people: lists a line each, instants as such. */
function inWords(name: string | undefined, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (name === 'at' && typeof value === 'number') return new Date(value).toISOString();
  if (!Array.isArray(value)) return typeof value === 'object' ? flow(value) : String(value);
  if (value.every(each => typeof each !== 'object')) return value.join(', ');
  return value.map(flow).join('\n');
}

/** A structure on one line: `{resource, scopes}` as it may be typed. */
function flow(value: unknown): string {
  const members = Object.values(value as Record_);
  const [head, rest] = members;
  if (members.length === 2 && typeof head === 'string' && Array.isArray(rest))
    return [head, ...rest].join(' ');
  return yaml().stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}
