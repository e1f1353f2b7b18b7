import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { type Agent, scopesAt } from '../agents/index.ts';
import type { ExpectVersion } from '../audit/index.ts';
import { type Delegation, delegatedScopes } from '../delegation/index.ts';
import type { Person } from '../people/index.ts';
import type { Resource, ScopeDefinition } from '../resources/index.ts';
import type { Elevation } from './elevation.ts';

/** A name with the identifier that it stands beside: two that are called alike are told apart. */
export interface ShownName {
  readonly id: string;
  readonly name: string;
}

/**
 * Everything that is shown of a request to whoever decides on it, from the records as they are now. Instants are absolute, so that it
 * stays the same while it is looked at. The card shows nothing of the request besides, and the digest is of exactly this (I4).
 */
export interface ShownElevation {
  readonly id: string;
  readonly agent: ShownName;
  readonly owner: ShownName;
  /** Newest first; nobody where the agent acts for itself. */
  readonly actors: readonly ShownName[];
  /** For whom: a person, or the agent itself. */
  readonly subject: ShownName;
  /** What it asks beyond; absent where it asks beyond its own baseline. */
  readonly delegation?: { readonly id: string; readonly expiresAt: string };
  readonly resource: { readonly identifier: string; readonly name: string };
  /** What the agent has there without being countersigned. */
  readonly held: readonly ScopeDefinition[];
  /** What the token would hold. */
  readonly scopes: readonly ScopeDefinition[];
  readonly seconds: number;
  readonly decideBy: string;
  /** The agent's own words, which nobody has checked; empty where there are none. */
  readonly reason: string;
  readonly bindingCode: string;
}

/** The live records that a request is shown from. */
export interface ShownRecords {
  readonly agent: Agent;
  readonly owner: Person;
  readonly actors: readonly Agent[];
  /** Absent where the agent acts for itself. */
  readonly person?: Person | undefined;
  readonly delegation?: Delegation | undefined;
  readonly resource: Resource;
}

/** What is shown of a request, of the records as they are. Pure. */
export function showElevation(elevation: Elevation, records: ShownRecords): ShownElevation {
  const { id, seconds, decideBy, reason, bindingCode, scopes } = elevation;
  const { agent, owner, actors, person, delegation, resource } = records;
  const held = delegation
    ? delegatedScopes(delegation, agent, resource)
    : scopesAt(agent.baseline, resource.identifier);
  return {
    id,
    agent: named(agent),
    owner: named(owner),
    actors: actors.map(named),
    subject: named(person ?? agent),
    ...(delegation && {
      delegation: { id: delegation.id, expiresAt: new Date(delegation.expiresAt).toISOString() },
    }),
    resource: { identifier: resource.identifier, name: resource.name },
    held: inWords(resource, held),
    scopes: inWords(resource, scopes),
    seconds,
    decideBy: new Date(decideBy).toISOString(),
    reason,
    bindingCode,
  };
}

/** Stands for what is shown: SHA-256 of its canonical JSON (RFC 8785), base64url. Pure. */
export function digestOfShown(shown: ShownElevation): string {
  return hash('sha256', canonicalize(shown) ?? '', 'base64url');
}

/** The version of each record that a request was shown from: a decision on it is not committed where one has changed since. */
export function versionsOf({
  agent,
  owner,
  actors,
  person,
  delegation,
  resource,
}: ShownRecords): readonly ExpectVersion[] {
  const expected = new Map<string, ExpectVersion>();
  const expect = (
    collection: ExpectVersion['collection'],
    record: { readonly id: string; readonly version: number },
  ) =>
    expected.set(record.id, { kind: 'expect-version', collection, id: record.id, version: record.version });
  for (const each of [agent, ...actors]) expect('agent', each);
  for (const each of person ? [owner, person] : [owner]) expect('person', each);
  if (delegation) expect('delegation', delegation);
  expect('resource', resource);
  return [...expected.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function named({ id, name }: ShownName): ShownName {
  return { id, name };
}

/** A scope that the catalogue has no longer is shown by its name alone: it could not be issued any more. */
function inWords({ scopes }: Resource, names: readonly string[]): readonly ScopeDefinition[] {
  return names.map(name => {
    const { sentence, risk } = scopes.find(each => each.name === name) ?? { sentence: '', risk: 'high' };
    return { name, sentence, risk };
  });
}
