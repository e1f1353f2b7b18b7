import { isDeepStrictEqual } from 'node:util';
import { nameOf, type RecordDocument } from './document.ts';
import { type Fleet, recordOf, type ServerRecord } from './fleet.ts';
import { DOCUMENT_NAMES, RECORD_KINDS, type Spec, specOf } from './kinds.ts';
import { byPlace, type Problem } from './problem.ts';
import { adminScopesIn, whyProtected } from './protected.ts';
import type { ReadDocuments } from './read-documents.ts';
import { isMadeFromKey, KINDS, type KindName } from './record-key.ts';
import { resolveDocuments } from './resolve.ts';

/** One field of a record, before and after; absent where there is none. */
export interface FieldChange {
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

interface About {
  readonly kind: KindName;
  readonly id: string;
  readonly key?: string;
  readonly name: string;
}

/** One record that is to be made, changed or stopped. */
export type Change = About &
  (
    | { readonly action: 'create'; readonly spec: Spec; readonly makesSecret: boolean }
    | {
        readonly action: 'change';
        readonly fields: readonly FieldChange[];
        /** What it was when the plan was made: another change in between is not overwritten. */
        readonly version: number;
        readonly updatedAt: string;
      }
    | { readonly action: 'kill'; readonly version: number; readonly updatedAt: string }
  );

/** What is not as the files would have it, and stays so. */
export interface Note extends About {
  readonly message: string;
}

export interface Plan {
  /** In the order in which they are made, each kind by name. */
  readonly changes: readonly Change[];
  readonly notes: readonly Note[];
  /** Records that are as their files say. */
  readonly unchanged: number;
  /** Records of the server that no file describes and that stay as they are. */
  readonly unlisted: number;
  /** What the people are called who own what is made or changed, by id. */
  readonly owners: Readonly<Record<string, string>>;
  /** Scopes of the admin API that are given away, or held by what is changed. */
  readonly adminScopes: readonly string[];
}

/** What becomes of records that no file describes: nothing, or those that files made are stopped, or all of them. */
export type Prune = 'none' | 'files' | 'all';

export interface PlanOrder {
  readonly read: ReadDocuments;
  readonly fleet: Fleet;
  readonly prune: Prune;
  /** Whose client asks: it does not stop itself. */
  readonly callerId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What has to be done so that the server is as the files say; pure. Where anything is wrong, all that is wrong instead. */
export function planFleet(order: PlanOrder): Plan | { readonly problems: readonly Problem[] } {
  const { read, fleet, now } = order;
  const { specs, problems: unresolved } = resolveDocuments(read.documents, fleet, now);
  const problems = [...read.problems, ...unresolved];
  const changes: Change[] = [];
  const notes: Note[] = [];
  const touched: Spec[] = [];
  for (const document of read.documents) {
    const shield = whyProtected(fleet, document.kind, document.id);
    if (shield !== undefined) {
      problems.push({
        ...document.place([document.key === undefined ? 'id' : 'key']),
        record: nameOf(document),
        message: `is ${shield}, which files have no say over: take it out`,
      });
      continue;
    }
    const spec = specs.get(document);
    if (!spec || !document.isWhole) continue;
    const record = recordOf(fleet, document);
    if (!record) {
      changes.push(creation(document, spec));
      touched.push(spec);
      continue;
    }
    const change = difference(document, spec, record, problems);
    const note = standing(document, record, change !== undefined);
    if (note) notes.push(note);
    if (!change || record.status === 'retired') continue;
    changes.push(change);
    // An administrator's client is changed only by those who may do what it may do: before and after.
    touched.push(spec, record);
  }
  const unchanged = read.documents.length - changes.length;
  const { kills, unlisted } = prune(order);
  problems.push(...stillNamed(read.documents, specs, fleet, kills));
  if (problems.length > 0) return { problems: problems.toSorted(byPlace) };
  return {
    changes: [...changes.toSorted(inOrder), ...kills.toSorted(inOrder).reverse()],
    notes: notes.toSorted(inOrder),
    unchanged,
    unlisted,
    owners: ownersOf(read.documents, fleet, changes),
    adminScopes: adminScopesIn(fleet, touched),
  };
}

function ownersOf(
  documents: readonly RecordDocument[],
  fleet: Fleet,
  changes: readonly Change[],
): Readonly<Record<string, string>> {
  const ids = changes.flatMap(change => {
    if (change.action === 'create') return [change.spec['ownerId']];
    if (change.action === 'kill') return [];
    return change.fields.flatMap(({ field, before, after }) => (field === 'ownerId' ? [before, after] : []));
  });
  const keys = new Map(documents.map(({ id, key }) => [id, key]));
  return Object.fromEntries(
    ids
      .filter(id => typeof id === 'string')
      .map(id => [id, keys.get(id) ?? fleet.Person.get(id)?.name ?? id]),
  );
}

function aboutDocument({ kind, id, key }: RecordDocument, name: unknown): About {
  return { kind, id, ...(key !== undefined && { key }), name: String(name) };
}

function creation(document: RecordDocument, spec: Spec): Change {
  const credential = spec['credential'] as { readonly method: string } | undefined;
  return {
    action: 'create',
    ...aboutDocument(document, spec['name']),
    spec,
    makesSecret: credential?.method === 'client_secret',
  };
}

function difference(
  document: RecordDocument,
  spec: Spec,
  record: ServerRecord,
  problems: Problem[],
): Change | undefined {
  const before = specOf(document.kind, record);
  const { fields: known, fixed } = RECORD_KINDS[document.kind];
  const fields: FieldChange[] = [];
  for (const field of Object.keys(known)) {
    if (isDeepStrictEqual(before[field], spec[field])) continue;
    const instead = fixed[field];
    if (instead === undefined) {
      fields.push({
        field,
        ...(before[field] !== undefined && { before: before[field] }),
        ...(spec[field] !== undefined && { after: spec[field] }),
      });
    } else if (record.status !== 'retired') {
      const name = DOCUMENT_NAMES[field] ?? field;
      problems.push({
        ...document.place([name]),
        record: nameOf(document),
        field: name,
        message: `is another one on the server, and cannot be changed; ${instead}`,
      });
    }
  }
  if (fields.length === 0) return undefined;
  const { version, updatedAt, name } = record;
  return { action: 'change', ...aboutDocument(document, name), fields, version, updatedAt };
}

/** What somebody has stopped stays stopped: a file that is applied again must not undo a kill (I6). */
function standing(document: RecordDocument, record: ServerRecord, differs: boolean): Note | undefined {
  const verbs = document.kind === 'Agent' ? 'agents' : document.kind === 'Person' ? 'people' : 'resources';
  const messages: Readonly<Record<string, string>> = {
    suspended: `is suspended, and files do not restore it: countersign ${verbs} restore ${record.id}`,
    disabled: `is disabled, and files do not restore it: countersign ${verbs} restore ${record.id}`,
    retired: `is retired for good${differs ? ', and is not changed' : ''}: take it out of the files, or give its successor another key`,
    expired: 'has expired: give it a later expiresAt, or take it out of the files',
  };
  const message = messages[record.status];
  return message === undefined ? undefined : { ...aboutDocument(document, record.name), message };
}

function prune({ read, fleet, prune: what, callerId }: PlanOrder): {
  readonly kills: readonly Change[];
  readonly unlisted: number;
} {
  const described = new Set(read.documents.map(document => document.id));
  const kills: Change[] = [];
  let unlisted = 0;
  for (const kind of KINDS) {
    for (const { id, name, status, version, updatedAt } of fleet[kind].values()) {
      if (described.has(id) || whyProtected(fleet, kind, id) !== undefined) continue;
      const isMeant = what === 'all' || (what === 'files' && isMadeFromKey(id));
      if (isMeant && status === 'active' && id !== callerId)
        kills.push({ action: 'kill', kind, id, name, version, updatedAt });
      else unlisted += 1;
    }
  }
  return { kills, unlisted };
}

/** What is about to be stopped cannot be named by what stays. */
function stillNamed(
  documents: readonly RecordDocument[],
  specs: ReadonlyMap<RecordDocument, Spec>,
  fleet: Fleet,
  kills: readonly Change[],
): Problem[] {
  const stopped = new Map(
    kills.map(kill => [
      kill.kind === 'Resource' ? fleet.Resource.get(kill.id)?.['identifier'] : kill.id,
      kill,
    ]),
  );
  return documents.flatMap(document => {
    const spec = specs.get(document);
    const envelope = (spec?.['envelope'] ?? []) as readonly { readonly resource: string }[];
    const named = [
      [DOCUMENT_NAMES['ownerId'] ?? '', spec?.['ownerId']] as const,
      ...envelope.map(({ resource }) => ['envelope', resource] as const),
    ];
    return named.flatMap(([field, value]) => {
      const kill = stopped.get(value);
      if (!kill) return [];
      return [
        {
          ...document.place([field]),
          record: nameOf(document),
          field,
          message: `names ${kill.id} (${JSON.stringify(kill.name)}), which no file describes and --prune would stop: write a ${kill.kind}, or name another`,
        },
      ];
    });
  });
}

/** By kind, then by what it is called: the same files give the same plan. */
function inOrder(a: About, b: About): number {
  const [left, right] = [a, b].map(({ kind, key, id }) => `${KINDS.indexOf(kind)} ${key ?? id}`);
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1;
}
