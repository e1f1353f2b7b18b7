import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ParsedNode } from 'yaml';
import { closestName } from './closest-name.ts';
import { quote } from './quote.ts';
import { permitted, rows, type Setting, variablesOf } from './schema.ts';

/** The variable that names the file. */
export const CONFIG_FILE_NAME = 'COUNTERSIGN_CONFIG_FILE';

/** Settings from a file, as if the environment had them. */
export interface ConfigFile {
  readonly env: Readonly<Record<string, string>>;
  /**
   * All problems, those of the file first and in its order: what was wrong with the file itself, and of these where in the file
   * their cause is, in the file's own names.
   */
  tell(problems: readonly string[]): readonly string[];
}

/** Where a setting stands: a path, a line and a column, each from 1. */
interface Place {
  readonly text: string;
  readonly offset: number;
}
interface FileProblem {
  readonly place: Place;
  readonly text: string;
}

/** What a setting is called in a file: its variable without the prefix, in lower case. */
export function keyOf(variable: string): string {
  return variable.slice('COUNTERSIGN_'.length).toLowerCase();
}

/**
 * Reads settings from a YAML file. Whatever the environment says of a setting wins, as a whole: a secret in a variable also wins
 * over the path of its file.
 *
 * @param path as `COUNTERSIGN_CONFIG_FILE` has it; undefined for no file
 * @param env  what the environment has
 */
export function readConfigFile(path: string | undefined, env: NodeJS.ProcessEnv): ConfigFile {
  if (path === undefined) return { env: {}, tell: problems => problems };
  try {
    return readSettings(readFileSync(path, 'utf8'), path, { mode: statSync(path).mode, env });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const problem = `${CONFIG_FILE_NAME}: ${quote(path)} cannot be read (${error.code}); permitted: the path of a readable file, or leaving the variable out`;
    return { env: {}, tell: problems => [problem, ...problems] };
  }
}

function readSettings(
  text: string,
  path: string,
  { mode, env }: { readonly mode: number; readonly env: NodeJS.ProcessEnv },
): ConfigFile {
  // Most servers have no such file: its reader is loaded where there is one.
  const yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const lineCounter = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { text: `${path}:${line}:${col}`, offset };
  };
  const problems: FileProblem[] = document.errors.map(({ pos, message }) => ({
    place: placeAt(pos[0]),
    text: message,
  }));
  const settings: Record<string, string> = {};
  const places = new Map<string, Place>();
  for (const { key, value } of problems.length === 0 ? pairsOf(document.contents) : []) {
    const keyPlace = placeAt(key?.range[0] ?? 0);
    const name = textOf(key) ?? '';
    const known = findSetting(name);
    if (!known) {
      problems.push({ place: keyPlace, text: `${quote(name)}: no such setting; ${hintFor(name)}` });
      continue;
    }
    const { setting, variable } = known;
    const read = textOf(value);
    const place = value && read !== '' ? placeAt(value.range[0]) : keyPlace;
    const why = whyRefused(known, name, read, mode);
    if (why !== undefined) problems.push({ place, text: `${name}: ${why}` });
    // What is refused here is looked at all the same: it was given, and may be wrong in itself.
    if (read === undefined || Object.values(variablesOf(setting)).some(each => env[each] !== undefined))
      continue;
    settings[variable] = read;
    places.set(variable, place);
  }
  return { env: settings, tell: others => inOrder(problems, others, places, env) };

  function pairsOf(contents: unknown): readonly { key: ParsedNode | null; value: ParsedNode | null }[] {
    if (yaml.isMap<ParsedNode, ParsedNode>(contents)) return contents.items;
    const isEmpty = contents === null || (yaml.isScalar(contents) && contents.value === null);
    if (!isEmpty)
      problems.push({ place: placeAt(0), text: 'no settings; permitted: lines of the form NAME: VALUE' });
    return [];
  }

  /** A text, a number or a list of them as the text that the environment would have; undefined for anything else. */
  function textOf(node: ParsedNode | null): string | undefined {
    if (yaml.isScalar(node)) {
      if (node.value === null) return '';
      // As it is written: 007 is not 7, and a long number keeps its digits.
      return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    }
    if (!yaml.isSeq<ParsedNode>(node)) return node === null ? '' : undefined;
    const texts = node.items.map(textOf);
    return texts.every(each => each !== undefined && each !== '') ? texts.join(',') : undefined;
  }
}

interface KnownSetting {
  readonly setting: Setting;
  readonly variable: string;
}

function findSetting(key: string): KnownSetting | undefined {
  for (const [, setting] of rows()) {
    const variable = Object.values(variablesOf(setting)).find(name => keyOf(name) === key);
    if (variable !== undefined) return { setting, variable };
  }
  return undefined;
}

function whyRefused(
  { setting, variable }: KnownSetting,
  name: string,
  read: string | undefined,
  mode: number,
): string | undefined {
  if (read === undefined) return `a structure is not permitted; permitted: ${permitted(setting)}`;
  // Where the embedded store is, is told to anybody; the URI of another may have a password in it.
  const isSecret =
    setting.secret === true && variablesOf(setting).direct === variable && !read.startsWith('sqlite:');
  if (!isSecret || (mode & 0o077) === 0) return undefined;
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  return `a secret is not permitted in a file that others can read (mode ${shown}); permitted: chmod 600, or ${name}_file`;
}

function hintFor(key: string): string {
  const known = rows().flatMap(([, setting]) => Object.values(variablesOf(setting)).map(keyOf));
  // Somebody may have written the variable, or in another style.
  const asKey = key.replaceAll('-', '_').replaceAll(/([a-z])(?=[A-Z])/g, '$1_');
  const closest = closestName(asKey.toLowerCase().replace(/^countersign_/, ''), known);
  return closest === undefined ? 'permitted: the names in docs/configuration.md' : `did you mean ${closest}?`;
}

function inOrder(
  problems: readonly FileProblem[],
  others: readonly string[],
  places: ReadonlyMap<string, Place>,
  env: NodeJS.ProcessEnv,
): readonly string[] {
  const elsewhere: string[] = [];
  const inFile = [...problems];
  for (const text of others) {
    const names = text.match(/COUNTERSIGN_[A-Z_]+/g) ?? [];
    const place = names.map(name => places.get(name)).find(each => each !== undefined);
    const inItsNames = text.replaceAll(/COUNTERSIGN_[A-Z_]+/g, name =>
      env[name] === undefined ? keyOf(name) : name,
    );
    if (place) inFile.push({ place, text: inItsNames });
    else elsewhere.push(text);
  }
  inFile.sort((one, other) => one.place.offset - other.place.offset);
  return [...inFile.map(({ place, text }) => `${place.text}: ${text}`), ...elsewhere];
}
