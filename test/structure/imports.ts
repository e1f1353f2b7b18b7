/** Which file of src/ imports which, types too, and what may: the picture of `docs/architecture.md` as data. */
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

const SRC = join(import.meta.dirname, '../../src');

/** Files of src/ by their path in it, each with the files and packages that it imports. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** Reads every import of every file: of values, of types, of what is loaded later, and what is handed on. */
export function readImports(): Imports {
  const files = globSync('**/*.ts', { cwd: SRC }).sort();
  return new Map(files.map(file => [file, importsOf(file, readFileSync(join(SRC, file), 'utf8'))]));
}

export function importsOf(file: string, text: string): readonly string[] {
  const code = text.replaceAll(/^\s*(?:\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '');
  const named = [...code.matchAll(/\b(?:from|import)\s*\(?\s*['"`]([^'"`\s]+)['"`]/g)].map(
    ([, specifier = '']) =>
      specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier,
  );
  return [...new Set(named)];
}

/** From the ground up: each may import what stands below it, and beside it where that closes no circle. */
export const LAYERS: readonly { readonly name: string; readonly parts: readonly string[] }[] = [
  {
    name: 'the kernel',
    parts: [
      'background.ts',
      'cannot-use.ts',
      'clock.ts',
      'deployment-epoch.ts',
      'errors.ts',
      'ids.ts',
      'liveness.ts',
      'managed-record.ts',
      'name-once.ts',
      'oauth.ts',
      'origin.ts',
      'recently-used.ts',
    ],
  },
  { name: 'text and input', parts: ['input', 'text'] },
  { name: 'the words of calls and figures', parts: ['admin-api', 'observability'] },
  {
    name: 'the capabilities',
    parts: [
      'agents',
      'applications',
      'audit',
      'clients',
      'delegation',
      'egress',
      'elevation',
      'explain',
      'idempotency',
      'keys',
      'limits',
      'people',
      'recovery',
      'refusals',
      'resources',
      'tokens',
    ],
  },
  { name: 'what is made of their descriptions', parts: ['admin-api/calls.ts', 'client'] },
  {
    name: 'the edges',
    parts: ['as-code', 'config', 'http', 'metrics', 'pages', 'provider', 'store'],
  },
  { name: 'the first start', parts: ['first-start'] },
  { name: 'the composition root', parts: ['compose.ts'] },
  { name: 'the process', parts: ['process'] },
  { name: 'the programs', parts: ['cli', 'main.ts'] },
];

/** Only the composition root knows every part. Of these, nobody else knows but those named. */
export const KNOWN_BY: Readonly<Record<string, readonly string[]>> = {
  'admin-api/calls.ts': ['client', 'cli', 'compose.ts', 'http'],
  'as-code': ['cli'],
  cli: [],
  client: ['as-code', 'cli'],
  'compose.ts': ['process'],
  config: ['as-code', 'cli', 'compose.ts', 'first-start', 'main.ts', 'process', 'store'],
  'first-start': ['cli', 'compose.ts'],
  http: ['cli/write-docs.ts', 'compose.ts', 'pages', 'process'],
  'main.ts': ['cli/start.ts'],
  metrics: ['cli/write-docs.ts', 'compose.ts', 'process'],
  pages: ['compose.ts'],
  process: ['cli', 'main.ts'],
  // Its records are what the engine keeps: the stores know their form.
  provider: ['compose.ts', 'pages', 'store'],
  store: ['cli', 'compose.ts', 'metrics', 'process'],
};

export interface Door {
  /** The file, or files, that are imported past the index. */
  readonly to: RegExp;
  /** By whom. */
  readonly from: RegExp;
  readonly because: string;
}

/** From outside a folder is imported by its index. All that may be imported past it. */
export const DOORS: readonly Door[] = [
  {
    to: /^[\w-]+\/api\.ts$/,
    from: /^(?:admin-api\/calls|as-code\/kinds|[\w-]+\/api|[\w-]+\/[\w-]+-input)\.ts$/,
    because: 'who describes calls, or reads descriptions of them, loads nothing of the server',
  },
  {
    to: /^(?:[\w-]+\/[\w-]+-input|resources\/admin-api|resources\/resource|config\/closest-name)\.ts$/,
    from: /^as-code\//,
    because: 'the command line reads records as files, and loads nothing of the server for it',
  },
  {
    to: /^audit\/audit-event\.ts$/,
    from: /^explain\/api\.ts$/,
    because: 'a description names the types of events, and loads nothing of the server for it',
  },
  {
    to: /^egress\/plain-https\.ts$/,
    from: /^(?:clients\/credential-input|config\/schema)\.ts$/,
    because: 'to check a URL is a rule, and loads nothing that could open it',
  },
  {
    to: /^admin-api\/calls\.ts$/,
    from: /^(?:cli\/calls\/add-calls|client\/client|compose|http\/describe-api)\.ts$/,
    because: 'it lists the calls of the capabilities, which import the index that stands beside it',
  },
  {
    to: /^(?:agents\/agent|agents\/agent-facets|delegation\/delegation|delegation\/delegation-facets|elevation\/elevation|elevation\/elevation-facets|audit\/authority|audit\/chain|audit\/event-facets|audit\/refused-request|people\/person|people\/person-credential|people\/person-facets|provider\/engine-store|recovery\/deployment|resources\/resource|resources\/resource-facets|text\/name-key)\.ts$/,
    from: /^store\//,
    because:
      'the thread that writes has a heap of its own, and an index would bring a whole capability along',
  },
  {
    to: /^resources\/resource\.ts$/,
    from: /^(?:agents\/agent|delegation\/delegation|elevation\/elevation)-facets\.ts$/,
    because: 'the thread that writes files records by it: see store/',
  },
  {
    to: /^text\/normal-host\.ts$/,
    from: /^resources\/resource\.ts$/,
    because: 'the thread that writes files records by that: see store/',
  },
  {
    to: /^keys\/signing-key\.ts$/,
    from: /^cli\/doctor\/server\.ts$/,
    because: 'a diagnosis loads nothing that signs',
  },
  {
    to: /^metrics\/metrics-endpoint\.ts$/,
    from: /^process\/start\.ts$/,
    because: 'its library is loaded where metrics are served, and nowhere else',
  },
  {
    to: /^first-start\/once-it-can-tell\.ts$/,
    from: /^cli\/open-existing-store\.ts$/,
    because: 'who opens a store that is there loads nothing that makes one',
  },
  {
    to: /^process\/start\.ts$/,
    from: /^(?:main|cli\/demo\/stage)\.ts$/,
    because:
      'these are processes of the server: the folder has no index, since each of its files is loaded by itself',
  },
  {
    to: /^process\/heap-settings\.ts$/,
    from: /^main\.ts$/,
    because: 'it has to be loaded first, for its effect',
  },
  {
    to: /^process\/package-version\.ts$/,
    from: /^cli\//,
    because: 'the command line says its version without loading the server',
  },
  {
    to: /^store\/(?:inspect-store|keep-swept|open-store|open-trail|store)\.ts$/,
    from: /^(?:cli\/|metrics\/|process\/|compose\.ts$)/,
    because: 'who looks into a store loads nothing that opens it: it has doors instead of an index',
  },
  {
    to: /^store\/sqlite\/(?:backup-file|migrations|replace-store)\.ts$/,
    from: /^cli\/backup\.ts$/,
    because: 'a backup is of the file of the one store that is a file',
  },
];

/** What the client may import itself; what that loads is in `test/client/client.test.ts`. */
export const CLIENT_IMPORTS: readonly string[] = ['admin-api', 'admin-api/calls.ts', 'oauth.ts'];

/**
 * The folder at the top of src/ that a file stands in, or the file. The list of all calls counts by itself: it is made of the
 * descriptions of the capabilities, and they are written in the words that stand beside it.
 */
export function partOf(file: string): string {
  if (file === 'admin-api/calls.ts') return file;
  const [top = ''] = file.split('/');
  return top;
}

/** Every rule that an import breaks, in a sentence that says which and what is permitted. */
export function wrongImports(imports: Imports): readonly string[] {
  return [
    ...withoutPlace(imports),
    ...[...imports].flatMap(([file, targets]) => targets.flatMap(target => wrongImport(file, target))),
    ...circles(imports),
  ];
}

function withoutPlace(imports: Imports): readonly string[] {
  const parts = new Set([...imports.keys()].map(partOf));
  return [...parts]
    .filter(part => layerOf(part) === -1)
    .map(
      part =>
        `src/${part} has no place: name it in one of the layers (${LAYERS.map(({ name }) => name).join('; ')})`,
    );
}

function layerOf(part: string): number {
  return LAYERS.findIndex(({ parts }) => parts.includes(part));
}

function wrongImport(file: string, target: string): readonly string[] {
  const part = partOf(file);
  if (!target.endsWith('.ts')) {
    const isEngine = target === 'oidc-provider' || target.startsWith('oidc-provider/');
    return isEngine && part !== 'provider' ? [wrong(file, target, 'only in src/provider/')] : [];
  }
  if (target.startsWith('../')) {
    const isSeed = target.startsWith('../seed/') && file.startsWith('cli/demo/');
    return isSeed ? [] : [wrong(file, target, 'what stands in src/; for the demo seed/')];
  }
  const other = partOf(target);
  if (other === part) return [];
  const found: string[] = [];
  if (layerOf(other) > layerOf(part)) {
    const below = LAYERS.slice(0, layerOf(part) + 1).flatMap(({ parts }) => parts);
    found.push(wrong(file, target, `what stands below or beside it: ${below.join(', ')}`));
  }
  const knownBy = KNOWN_BY[other];
  if (knownBy && !knownBy.includes(part) && !knownBy.includes(file)) {
    found.push(wrong(file, target, `only in ${knownBy.join(', ') || 'no other part'}`));
  }
  if (part === 'client' && !CLIENT_IMPORTS.includes(other)) {
    found.push(wrong(file, target, `descriptions of calls: ${CLIENT_IMPORTS.join(', ')}`));
  }
  const [folder = ''] = target.split('/');
  const isInside = folder === target || file.startsWith(`${folder}/`);
  const isThroughIndex = isInside || target === `${folder}/index.ts`;
  if (!isThroughIndex && !DOORS.some(({ to, from }) => to.test(target) && from.test(file))) {
    found.push(wrong(file, target, `src/${folder}/index.ts, or a door that is named with its reason`));
  }
  return found;
}

function wrong(file: string, target: string, permitted: string): string {
  return `src/${file} imports ${target.endsWith('.ts') ? `src/${target}` : target}; permitted: ${permitted}`;
}

/** Circles between files, and between what stands in one folder, whether that is a file or a folder. */
function circles(imports: Imports): readonly string[] {
  const between = new Map<string, Map<string, string>>();
  const add = (from: string, to: string, because: string): void => {
    const known = between.get(from) ?? new Map<string, string>();
    between.set(from, known);
    if (!known.has(to)) known.set(to, because);
  };
  for (const [file, targets] of imports) {
    for (const target of targets) {
      if (!imports.has(target)) continue;
      const because = `src/${file} imports src/${target}`;
      add(file, target, because);
      const [from, to] = siblings(file, target);
      if (from !== to && (from !== file || to !== target)) add(from, to, because);
    }
  }
  // One wrong import closes many circles: the shortest tells it, and the others that it is part of say nothing new.
  const paths = [...between.keys()].map(start => pathBack(start, between)).filter(path => path !== undefined);
  const told = new Set<string>();
  return paths
    .sort((one, other) => one.length - other.length)
    .filter(path => {
      const isNew = !path.some(because => told.has(because));
      for (const because of path) told.add(because);
      return isNew;
    })
    .map(path => `a circle: ${path.join('; ')}; permitted: none, of types neither`);
}

/** The two that stand in the same folder and contain, or are, the two files. A file beside the folder that it imports is of it. */
function siblings(file: string, target: string): readonly [string, string] {
  const [part, other] = [partOf(file), partOf(target)];
  if (part !== other) return [part, other];
  const [path, otherPath] = [file.split('/'), target.split('/')];
  let depth = 0;
  while (path[depth] === otherPath[depth] && depth < path.length) depth += 1;
  const isBetweenFolders = depth < path.length - 1 && depth < otherPath.length - 1;
  if (!isBetweenFolders) return [file, target];
  return [path.slice(0, depth + 1).join('/'), otherPath.slice(0, depth + 1).join('/')];
}

/** The imports along the shortest way from a node back to itself. */
function pathBack(
  start: string,
  between: ReadonlyMap<string, ReadonlyMap<string, string>>,
): string[] | undefined {
  const ways: { readonly at: string; readonly path: string[] }[] = [{ at: start, path: [] }];
  const seen = new Set<string>();
  for (const { at, path } of ways) {
    for (const [next, because] of between.get(at) ?? []) {
      if (next === start) return [...path, because];
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push({ at: next, path: [...path, because] });
    }
  }
  return undefined;
}
