import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml';
import type { z } from 'zod';
import { nameOf, type Path, type RecordDocument, writePath } from './document.ts';
import { documentSchema } from './kinds.ts';
import { didYouMean, type Place, type Problem } from './problem.ts';
import { ID_PREFIXES, idFromKey, isKey, KINDS, type KindName } from './record-key.ts';

/** A file, and what is in it. */
export interface SourceFile {
  readonly file: string;
  readonly text: string;
}

export interface ReadDocuments {
  readonly documents: readonly RecordDocument[];
  readonly problems: readonly Problem[];
}

/** YAML has aliases that stand for much: a file of a few lines must not become gigabytes. */
const MAX_ALIASES = 1_000;

/** Reads files: every document as far as it can be understood, and everything that is wrong with any of them. */
export function readDocuments(sources: readonly SourceFile[]): ReadDocuments {
  const documents: RecordDocument[] = [];
  const problems: Problem[] = [];
  for (const { file, text } of sources) {
    const lines = new LineCounter();
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
    for (const document of Array.isArray(parsed) ? parsed : []) {
      const faults = [...document.errors, ...document.warnings];
      for (const { message, pos } of faults) {
        problems.push({ ...placeAt(file, lines, pos[0]), message: `this is not YAML: ${message}` });
      }
      if (faults.length > 0 || document.contents === null || isEmpty(document.contents)) continue;
      const read = readDocument(document, path => placeOf(document, path, file, lines), problems);
      if (read) documents.push(read);
    }
  }
  problems.push(...repeated(documents));
  return { documents, problems };
}

function readDocument(
  document: Document,
  place: (path: Path) => Place,
  problems: Problem[],
): RecordDocument | undefined {
  const value = objectIn(document, fault => problems.push({ ...place([]), ...fault }));
  if (!value) return undefined;
  const kind = readKind(value['kind'], place, problems);
  if (!kind) return undefined;
  const identity = readIdentity(kind, value, place, problems);
  const schema = documentSchema(kind);
  const checked = schema.safeParse(value, { reportInput: true });
  if (checked.success) return identity && { ...identity, fields: checked.data, isWhole: true, place };
  const { issues } = checked.error;
  problems.push(
    ...issues
      .filter(issue => identity !== undefined || !['key', 'id'].includes(String(issue.path[0])))
      .flatMap(issue => toProblems(issue, kind, identity ? nameOf(identity) : kind, place)),
  );
  // What is right of it is looked at further, so that all that is wrong is told at once.
  const faulty = new Set(
    issues.flatMap(issue =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [issue.path[0]],
    ),
  );
  const others = Object.entries(value).filter(([field]) => !faulty.has(field));
  const fields = schema.partial().safeParse(Object.fromEntries(others)).data ?? {};
  return identity && { ...identity, fields, isWhole: false, place };
}

/** The plain object that a document is; aliases are followed, within bounds. */
function objectIn(
  document: Document,
  tell: (fault: Pick<Problem, 'message'>) => void,
): Readonly<Record<string, unknown>> | undefined {
  if (!isMap(document.contents)) {
    tell({ message: 'a document describes one record, with the fields kind, key and more' });
    return undefined;
  }
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as Record<string, unknown>;
  } catch (error) {
    tell({ message: `this cannot be read: ${error instanceof Error ? error.message : error}` });
    return undefined;
  }
}

function readKind(sent: unknown, place: (path: Path) => Place, problems: Problem[]): KindName | undefined {
  const kind = KINDS.find(each => each === sent);
  if (kind) return kind;
  problems.push({
    ...place(sent === undefined ? [] : ['kind']),
    field: 'kind',
    ...(sent === undefined
      ? { message: 'is missing' }
      : {
          message: 'is no kind of record',
          ...(typeof sent === 'string' && { sent, ...didYouMean(sent, KINDS) }),
        }),
    permitted: KINDS,
  });
  return undefined;
}

function readIdentity(
  kind: KindName,
  { key, id }: Readonly<Record<string, unknown>>,
  place: (path: Path) => Place,
  problems: Problem[],
): Pick<RecordDocument, 'kind' | 'key' | 'id'> | undefined {
  const prefix = ID_PREFIXES[kind];
  if (key === undefined && id === undefined) {
    problems.push({
      ...place([]),
      record: kind,
      field: 'key',
      message: `is missing; permitted: a name of your choice, which it keeps; or the id (${prefix}_…) of a record that was not made from files`,
    });
  } else if (key !== undefined && id !== undefined) {
    problems.push({
      ...place(['id']),
      record: `${kind} ${key}`,
      field: 'id',
      message: 'stands beside a key, from which the id is made; permitted: one of the two',
    });
  } else if (typeof key === 'string' && isKey(key)) {
    return { kind, key, id: idFromKey(kind, key) };
  } else if (typeof id === 'string' && new RegExp(`^${prefix}_[0-9a-f]{32}$`).test(id)) {
    return { kind, id };
  } else {
    const field = key === undefined ? 'id' : 'key';
    const sent = key ?? id;
    problems.push({
      ...place([field]),
      record: kind,
      field,
      ...(typeof sent === 'string' && { sent }),
      message: 'is not permitted',
      permitted: [
        field === 'key'
          ? '1 to 63 small letters, digits, dots and dashes, with a letter or a digit at either end'
          : `${prefix}_ and 32 hexadecimal digits in lower case`,
      ],
    });
  }
  return undefined;
}

function toProblems(
  issue: z.core.$ZodIssue,
  kind: KindName,
  record: string,
  place: (path: Path) => Place,
): Problem[] {
  const path = issue.path.map(step => (typeof step === 'symbol' ? String(step) : step));
  const about = { ...place(path), record, ...(path.length > 0 && { field: writePath(path) }) };
  if (issue.code === 'unrecognized_keys') {
    // What is permitted is said by the schema, as a list behind a colon, or as a sentence where there is more to say.
    const known = path.length === 0 ? Object.keys(documentSchema(kind).shape) : listedIn(issue.message);
    return issue.keys.map(key => ({
      ...place([...path, key]),
      record,
      field: writePath([...path, key]),
      message: /secret/i.test(key)
        ? 'has no place here: secrets are never in files; apply --secrets-out FILE keeps those that it makes'
        : 'is no such field',
      ...didYouMean(key, known ?? []),
      permitted: known ?? [issue.message],
    }));
  }
  const { input } = issue;
  if (input === undefined && path.length > 0) {
    return [{ ...about, message: 'is missing', permitted: permittedBy(issue) }];
  }
  const isShown = path[0] !== 'credential' && ['string', 'number', 'boolean'].includes(typeof input);
  const values = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  return [
    {
      ...about,
      ...(isShown && { sent: String(input), ...didYouMean(String(input), values) }),
      message: 'is not permitted',
      permitted: permittedBy(issue),
    },
  ];
}

function permittedBy(issue: z.core.$ZodIssue): readonly string[] {
  return issue.code === 'invalid_value' ? issue.values.map(String) : [issue.message];
}

function listedIn(message: string): readonly string[] | undefined {
  return /^(?:fields|members): (.+)$/.exec(message)?.[1]?.split(', ');
}

function repeated(documents: readonly RecordDocument[]): Problem[] {
  const first = new Map<string, RecordDocument>();
  return documents.flatMap(document => {
    const before = first.get(document.id);
    if (!before) {
      first.set(document.id, document);
      return [];
    }
    const { file, line } = before.place([]);
    return [
      {
        ...document.place([document.key === undefined ? 'id' : 'key']),
        record: nameOf(document),
        message: `is described already, at ${file}:${line}`,
      },
    ];
  });
}

/** The place of a field; of the closest thing around it where it is not there. */
function placeOf(document: Document, path: Path, file: string, lines: LineCounter): Place {
  let node: Node | undefined = isNode(document.contents) ? document.contents : undefined;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    const inside: unknown = isAlias(node) ? node.resolve(document) : node;
    if (!isCollection(inside)) break;
    if (isMap(inside)) {
      const pair = inside.items.find(({ key }) =>
        isScalar(key) ? String(key.value) === String(step) : false,
      );
      if (!pair) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = isNode(pair.value) ? pair.value : undefined;
    } else {
      const item: unknown = inside.items[Number(step)];
      if (!isNode(item)) break;
      node = item;
      offset = item.range?.[0] ?? offset;
    }
  }
  return placeAt(file, lines, offset);
}

function placeAt(file: string, lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Nothing but comments: an empty document between two marks. */
function isEmpty(contents: unknown): boolean {
  return isScalar(contents) && contents.value === null;
}
