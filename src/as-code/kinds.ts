import { z } from 'zod';
import { agentInput } from '../agents/agent-input.ts';
import { shownAgent } from '../agents/api.ts';
import { idOf } from '../input/index.ts';
import { shownPerson } from '../people/api.ts';
import { personInput } from '../people/person-input.ts';
import { shownResource } from '../resources/api.ts';
import { resourceInput } from '../resources/resource-input.ts';
import { ID_PREFIXES, type KindName, recordKey } from './record-key.ts';

/** A record without what only the server says of it, each list in the one order in which it is compared and written. */
export type Spec = Readonly<Record<string, unknown>>;

/** What files can describe, one kind each. Another kind is another entry here, with its calls in `fleet.ts`. */
export interface Kind {
  /** What it is in the admin API, in the plural, for plans. */
  readonly plural: string;
  /** What it is, in a sentence for editors. */
  readonly description: string;
  /** The fields of a document, besides `kind`, `key` and `id`: those of the API, with names in the place of identifiers. */
  readonly fields: Readonly<Record<string, z.ZodType>>;
  /** The record as the API shows it: what fields mean is said there. */
  readonly shown: Readonly<Record<string, z.ZodType>>;
  /** Fields that cannot be changed, and what to do instead. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Brings lists into order; what their order does not say must not look like a change. */
  readonly order: Readonly<Record<string, (value: never) => unknown>>;
  /** The parts of a list or an object, one line each, for plans. */
  readonly lines: Readonly<Record<string, (value: never) => readonly string[]>>;
}

interface ResourceScopes {
  readonly resource: string;
  readonly scopes: readonly string[];
}

interface Scope {
  readonly name: string;
  readonly sentence: string;
  readonly risk: string;
}

type Credential =
  | { readonly method: 'client_secret' }
  | { readonly method: 'private_key_jwt'; readonly keys?: readonly Jwk[]; readonly jwksUri?: string };

interface Jwk {
  readonly kid?: string | undefined;
  readonly x?: string | undefined;
  readonly n?: string | undefined;
}

const NEW_KEY = 'give the record another key, which makes a new one, and stop the old one';

const { id: _person, ...personFields } = personInput.shape;
const { id: _resource, ...resourceFields } = resourceInput.shape;
const { id: _agent, ownerId, name, purpose, ...agentFields } = agentInput.shape;

const orderGrants = (grants: readonly ResourceScopes[]): unknown =>
  grants
    .map(({ resource, scopes }) => ({ resource, scopes: scopes.toSorted() }))
    .toSorted(by(({ resource }) => resource));

const grantLines = (grants: readonly ResourceScopes[]): readonly string[] =>
  grants.flatMap(({ resource, scopes }) => scopes.map(scope => `${resource} ${scope}`));

/** Only what was given: how many secrets there are is none of a file's business. */
const orderCredential = (credential: Credential): unknown => {
  if (credential.method !== 'private_key_jwt') return { method: credential.method };
  const { method, keys, jwksUri } = credential;
  return {
    method,
    ...(keys && { keys: keys.map(orderMembers).toSorted(by(key => key.kid ?? key.x ?? key.n ?? '')) }),
    ...(jwksUri !== undefined && { jwksUri }),
  };
};

const credentialLines = (credential: Credential): readonly string[] => {
  if (credential.method !== 'private_key_jwt') return [credential.method];
  const { method, keys = [], jwksUri } = credential;
  return jwksUri === undefined
    ? keys.map(key => `${method} ${JSON.stringify(key)}`)
    : [`${method} ${jwksUri}`];
};

export const RECORD_KINDS: Readonly<Record<KindName, Kind>> = {
  Person: {
    plural: 'People',
    description: 'A human. Agents have an owner, so a person is there before an agent is.',
    fields: personFields,
    shown: shownPerson.shape,
    fixed: {},
    order: { roles: (roles: readonly string[]) => roles.toSorted() },
    lines: { roles: (roles: readonly string[]) => roles },
  },
  Resource: {
    plural: 'Resource servers',
    description: 'An MCP server, or any API that is protected by our tokens, with the scopes it has.',
    fields: resourceFields,
    shown: shownResource.shape,
    fixed: { identifier: NEW_KEY, credential: NEW_KEY },
    order: {
      scopes: (scopes: readonly Scope[]) =>
        scopes
          .map(({ name, sentence, risk }) => ({ name, sentence, risk }))
          .toSorted(by(scope => scope.name)),
      tokenFormat: orderMembers,
      credential: orderCredential,
    },
    lines: {
      scopes: (scopes: readonly Scope[]) =>
        scopes.map(scope => `${scope.name}: ${JSON.stringify(scope.sentence)}, ${scope.risk} risk`),
      tokenFormat: (format: { readonly kind: string; readonly alg?: string }) => [
        [format.kind, format.alg].filter(Boolean).join(' '),
      ],
      credential: credentialLines,
    },
  },
  Agent: {
    plural: 'Agents',
    description: 'An AI agent, with the OAuth client through which it acts.',
    fields: {
      name,
      purpose,
      ownerId: ownerId
        .or(recordKey)
        .describe('The person who answers for it: the key of a Person, or an id.'),
      ...agentFields,
    },
    shown: shownAgent.shape,
    fixed: { credential: NEW_KEY },
    order: { envelope: orderGrants, baseline: orderGrants, credential: orderCredential },
    lines: { envelope: grantLines, baseline: grantLines, credential: credentialLines },
  },
};

/** The name of each field in documents where it is another than in the API: `owner` may be a key. */
export const DOCUMENT_NAMES: Readonly<Record<string, string>> = { ownerId: 'owner' };

/** A whole document of a kind, closed as every input is. */
export function documentSchema(kind: KindName): z.ZodObject {
  const { fields: known, shown } = RECORD_KINDS[kind];
  const fields = Object.entries(known).map(([field, schema]) => {
    const description = shown[field]?.description ?? schema.description;
    return [
      DOCUMENT_NAMES[field] ?? field,
      description === undefined ? schema : schema.describe(description),
    ];
  });
  return z.strictObject({
    kind: z.literal(kind).describe('What the record is.'),
    key: recordKey.optional(),
    id: idOf(ID_PREFIXES[kind])
      .optional()
      .describe('Instead of a key: the identifier of a record that was not made from files.'),
    ...Object.fromEntries(fields),
  });
}

/** What is compared of a record: the fields that files have, in their order. */
export function specOf(kind: KindName, record: Readonly<Record<string, unknown>>): Spec {
  const { fields, order } = RECORD_KINDS[kind];
  return Object.fromEntries(
    Object.keys(fields)
      .filter(field => record[field] !== undefined)
      .map(field => [field, order[field]?.(record[field] as never) ?? record[field]]),
  );
}

function by<T>(keyOf: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    return left === right ? 0 : left < right ? -1 : 1;
  };
}

function orderMembers<T extends object>(value: T): T {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries.toSorted(by(([member]) => member))) as T;
}
