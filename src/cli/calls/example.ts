import { fieldsOf, writeFlags } from './flags.ts';
import type { Verb } from './verbs.ts';

/** A line that is longer is not gone on with. */
const WIDTH = 60;

/** What the example of a call is typed as: the words after `countersign`. */
export function exampleArguments({ call, words, params }: Verb): readonly string[] {
  const { example } = call;
  const body = (example.body ?? {}) as Readonly<Record<string, unknown>>;
  const flags = [
    ...fieldsOf(call.query).flatMap(field => flagsFor(field, example.query?.[field.name])),
    ...fieldsOf(call.body).flatMap(field => flagsFor(field, body[field.name])),
  ];
  return [...words, ...params.map(name => example.params?.[name] ?? name), ...flags];
}

/** The same, for a shell: long ones on several lines. A flag and its value stay together. */
export function exampleOf(verb: Verb, indent: string): string {
  const lines = ['countersign'];
  for (const word of exampleArguments(verb)) {
    const line = lines.at(-1) ?? '';
    if (word.startsWith('--') && line.length > WIDTH) lines.push(quoteForShell(word));
    else lines[lines.length - 1] = `${line} ${quoteForShell(word)}`;
  }
  return lines.map((line, index) => `${indent}${index === 0 ? '' : '  '}${line}`).join(' \\\n');
}

function flagsFor(field: Parameters<typeof writeFlags>[0], value: unknown): readonly string[] {
  if (value === undefined) return [];
  return writeFlags(field, value).flatMap(([flag, text]) => [`--${flag}`, text]);
}

function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
