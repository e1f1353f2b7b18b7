import { quote } from './quote.ts';
import { permitted, rows, type Setting, variablesOf } from './schema.ts';

/** Reads a file as text, like `fs.readFileSync`. */
export type ReadFile = (path: string, encoding: 'utf8') => string;

/** Who may read and write a file, as `fs.stat` has it; undefined where that cannot be told. */
export type ModeOf = (path: string) => number | undefined;

/** Here containers are handed their secrets: whoever is in one may read all that there is, and the files often say so. */
const HANDED_TO_CONTAINERS = /^\/run\/secrets\//;

/** A value as it was sent, and by which variable. */
export interface Sent {
  readonly text: string;
  readonly name: string;
  /** The file it came from. */
  readonly path?: string;
}

/** What the environment and its files hold, not yet looked at. */
export interface Sources {
  readonly sent: ReadonlyMap<string, Sent>;
  /** Properties that somebody tried to give, even if it went wrong. */
  readonly given: ReadonlySet<string>;
  readonly problems: readonly string[];
}

/**
 * Finds each setting's text, in the environment or in the file it names. An empty text is a problem, never the same as none: a
 * check is not switched off by a variable that failed to expand.
 */
export function readSources(env: NodeJS.ProcessEnv, readFile: ReadFile, modeOf: ModeOf): Sources {
  const sent = new Map<string, Sent>();
  const given = new Set<string>();
  const problems: string[] = [];
  for (const [property, setting] of rows()) {
    const { direct, file } = variablesOf(setting);
    const text = direct === undefined ? undefined : env[direct];
    const path = file === undefined ? undefined : env[file];
    if (text === undefined && path === undefined) continue;
    given.add(property);
    if (text !== undefined && path !== undefined) {
      problems.push(`${direct}, ${file}: both are given; permitted: one of the two`);
    } else if (direct !== undefined && text !== undefined) {
      if (text === '') problems.push(emptyProblem(direct, permitted(setting)));
      else sent.set(property, { text, name: direct });
    } else if (file !== undefined && path === '') {
      problems.push(emptyProblem(file, 'the path of a file'));
    } else if (file !== undefined && path !== undefined) {
      try {
        const content = readFile(path, 'utf8').trim();
        if (content === '') problems.push(`${file}: the file is empty; permitted: ${permitted(setting)}`);
        else sent.set(property, { text: content, name: file, path });
        const why = whyOpen(setting, content, path, modeOf);
        if (why !== undefined) problems.push(`${file}: ${quote(path)} ${why}`);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
        const shown = mayShowPath(setting, path) ? quote(path) : 'the file that it names (not shown)';
        problems.push(`${file}: ${shown} cannot be read${code}; permitted: the path of a readable file`);
      }
    }
  }
  return { sent, given, problems };
}

/** Who reads a secret has it, and who writes it has chosen it. A group may be let read: that is how a service is handed files of root's. */
function whyOpen(setting: Setting, content: string, path: string, modeOf: ModeOf): string | undefined {
  // Where the embedded store is, is told to anybody.
  if (setting.secret !== true || content.startsWith('sqlite:')) return undefined;
  const mode = modeOf(path) ?? 0;
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  if ((mode & 0o022) !== 0) return `can be written by others (mode ${shown}); permitted: chmod 600`;
  if ((mode & 0o004) === 0 || HANDED_TO_CONTAINERS.test(path)) return undefined;
  return `can be read by others (mode ${shown}); permitted: chmod 600, or 640 for a group of its own`;
}

/**
 * Somebody will put the secret itself where its path belongs. No secret that is permitted begins like an absolute path or one
 * that says where it is relative to.
 */
function mayShowPath(setting: Setting, path: string): boolean {
  return setting.secret !== true || /^\.{0,2}\//.test(path);
}

function emptyProblem(name: string, what: string): string {
  return `${name}: "" is not permitted; permitted: ${what}, or leaving the variable out`;
}
