import { identifierKey } from '../resources/resource.ts';
import { nameOf, type Path, type RecordDocument, writePath } from './document.ts';
import type { Fleet, ServerRecord } from './fleet.ts';
import { DOCUMENT_NAMES, type Spec, specOf } from './kinds.ts';
import { didYouMean, type Problem } from './problem.ts';
import { whyProtected } from './protected.ts';
import { idFromKey, isKey, type KindName } from './record-key.ts';

/** Documents with names in the place of identifiers, made into records; pure. */
export interface Resolved {
  readonly specs: ReadonlyMap<RecordDocument, Spec>;
  readonly problems: readonly Problem[];
}

interface Grant {
  readonly resource: string;
  readonly scopes: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;
type Find = (problem: Omit<Problem, 'file' | 'line' | 'column' | 'record' | 'field'>, path: Path) => void;

/**
 * Finds what documents name, among each other and on the server, and what cannot be: everything that the server would refuse is
 * told before anything is sent. The server has the last word all the same.
 *
 * @param now milliseconds since the epoch
 */
export function resolveDocuments(documents: readonly RecordDocument[], fleet: Fleet, now: number): Resolved {
  const resolver = new Resolver(documents, fleet, now);
  const specs = new Map<RecordDocument, Spec>();
  // Resource servers first: agents name their scopes.
  for (const kind of ['Person', 'Resource', 'Agent'] as const) {
    for (const document of documents) {
      if (document.kind !== kind) continue;
      specs.set(document, specOf(kind, resolver.resolve(document, document.fields)));
    }
  }
  return { specs, problems: resolver.problems };
}

class Resolver {
  readonly problems: Problem[] = [];
  readonly #documents = new Map<string, RecordDocument>();
  readonly #fleet: Fleet;
  readonly #now: number;
  readonly #keys: Readonly<Record<KindName, readonly string[]>>;
  /** The identifier, without a trailing slash, of each resource server in files or on the server. */
  readonly #resources = new Map<string, { readonly id: string; readonly identifier: string }>();
  readonly #emails = new Map<string, string>();

  constructor(documents: readonly RecordDocument[], fleet: Fleet, now: number) {
    this.#fleet = fleet;
    this.#now = now;
    const keysOf = (kind: KindName): readonly string[] =>
      documents.flatMap(document => (document.kind === kind && document.key ? [document.key] : []));
    this.#keys = { Person: keysOf('Person'), Resource: keysOf('Resource'), Agent: keysOf('Agent') };
    for (const { id, ...record } of fleet.Resource.values()) {
      const identifier = String(record['identifier']);
      this.#resources.set(identifierKey(identifier), { id, identifier });
    }
    for (const document of documents) this.#documents.set(document.id, document);
    for (const { id, ...record } of fleet.Person.values()) {
      const described = this.#documents.get(id)?.fields;
      const email = described ? described['email'] : record['email'];
      if (typeof email === 'string') this.#emails.set(email.toLowerCase(), id);
    }
  }

  resolve(document: RecordDocument, fields: Fields): Fields {
    const find: Find = (problem, path) =>
      void this.problems.push({
        ...document.place(path),
        record: nameOf(document),
        field: writePath(path),
        ...problem,
      });
    switch (document.kind) {
      case 'Person':
        return this.#person(document, fields, find);
      case 'Resource':
        return this.#resource(document, fields, find);
      case 'Agent':
        return this.#agent(document, fields, find);
    }
  }

  #person(document: RecordDocument, fields: Fields, find: Find): Fields {
    const { email } = fields;
    if (typeof email !== 'string') return fields;
    const holder = this.#emails.get(email.toLowerCase());
    if (holder !== undefined && holder !== document.id) {
      find({ sent: email, message: `is the address of ${this.#called('Person', holder)}` }, ['email']);
    }
    this.#emails.set(email.toLowerCase(), document.id);
    return fields;
  }

  #resource(document: RecordDocument, fields: Fields, find: Find): Fields {
    const { identifier } = fields;
    if (typeof identifier !== 'string') return fields;
    const key = identifierKey(identifier);
    const holder = this.#resources.get(key);
    if (holder && holder.id !== document.id) {
      const isOurs = whyProtected(this.#fleet, 'Resource', holder.id) !== undefined;
      const isDescribed = isOurs || this.#documents.has(holder.id);
      const hint = isDescribed
        ? ''
        : `; to take it into files, write id: ${holder.id} in the place of the key`;
      find(
        { sent: identifier, message: `is the identifier of ${this.#called('Resource', holder.id)}${hint}` },
        ['identifier'],
      );
    } else {
      this.#resources.set(key, { id: document.id, identifier });
    }
    return fields;
  }

  #agent(document: RecordDocument, fields: Fields, find: Find): Fields {
    const before = this.#fleet.Agent.get(document.id);
    const { owner, expiresAt, envelope, baseline, defaultResource, ...others } = fields;
    const ownerId = typeof owner === 'string' ? this.#owner(owner, before, find) : undefined;
    const expiry = typeof expiresAt === 'number' ? new Date(expiresAt).toISOString() : undefined;
    if (typeof expiresAt === 'number' && expiresAt <= this.#now && expiry !== before?.['expiresAt']) {
      find(
        {
          sent: expiry ?? '',
          message: 'has passed',
          permitted: [`later than ${new Date(this.#now).toISOString()}`],
        },
        ['expiresAt'],
      );
    }
    const held = this.#grants('envelope', envelope as readonly Grant[] | undefined, find);
    this.#assertScopesExist(held, before, find);
    const without = this.#grants('baseline', baseline as readonly Grant[] | undefined, find);
    this.#assertWithin(held, without, find);
    const byDefault =
      typeof defaultResource === 'string'
        ? this.#resourceNamed(defaultResource, ['defaultResource'], find)
        : undefined;
    if (byDefault !== undefined && held && !held.some(grant => grant.resource === byDefault)) {
      find(
        {
          sent: String(defaultResource),
          message: 'is not in the envelope',
          permitted: held.map(grant => grant.resource),
        },
        ['defaultResource'],
      );
    }
    return {
      ...others,
      ownerId,
      ...(expiry !== undefined && { expiresAt: expiry }),
      envelope: held ?? [],
      baseline: without ?? [],
      ...(byDefault !== undefined && { defaultResource: byDefault }),
    };
  }

  #owner(sent: string, before: ServerRecord | undefined, find: Find): string {
    const id = isKey(sent) ? idFromKey('Person', sent) : sent;
    const person = this.#fleet.Person.get(id);
    const path = [DOCUMENT_NAMES['ownerId'] ?? ''];
    if (!this.#documents.has(id) && !person) {
      find(
        {
          sent,
          message: 'is nobody, in these files or on the server',
          ...didYouMean(sent, this.#keys.Person),
          permitted: this.#keys.Person,
        },
        path,
      );
    } else if (person?.status === 'disabled' && id !== before?.['ownerId']) {
      find({ sent, message: 'is disabled, and owns nothing new; permitted: an active person' }, path);
    }
    return id;
  }

  /** @returns the grants with identifiers in their registered spelling; undefined where one of them is at fault */
  #grants(field: string, grants: readonly Grant[] | undefined, find: Find): readonly Grant[] | undefined {
    if (!grants) return undefined;
    const seen = new Set<string>();
    let isSound = true;
    const resolved = grants.map(({ resource: sent, scopes }, index) => {
      const path = [field, index, 'resource'];
      const resource = this.#resourceNamed(sent, path, find);
      if (resource !== undefined && seen.has(resource)) {
        find({ sent, message: 'stands here twice; permitted: each resource server once' }, path);
        isSound = false;
      }
      if (resource === undefined) isSound = false;
      else seen.add(resource);
      return { resource: resource ?? sent, scopes };
    });
    return isSound ? resolved : undefined;
  }

  #resourceNamed(sent: string, path: Path, find: Find): string | undefined {
    const byIdentifier = this.#resources.get(identifierKey(sent));
    if (byIdentifier) return byIdentifier.identifier;
    const id = isKey(sent) ? idFromKey('Resource', sent) : '';
    const document = this.#documents.get(id);
    // What is wrong with the document itself has been told.
    if (document && document.fields['identifier'] === undefined) return undefined;
    const identifier = document?.fields['identifier'] ?? this.#fleet.Resource.get(id)?.['identifier'];
    if (typeof identifier === 'string') return identifier;
    const known = sent.includes(':')
      ? [...this.#resources.values()].map(each => each.identifier)
      : this.#keys.Resource;
    find(
      {
        sent,
        message: 'is no resource server, in these files or on the server',
        ...didYouMean(sent, known),
        permitted: known,
      },
      path,
    );
    return undefined;
  }

  #assertScopesExist(
    envelope: readonly Grant[] | undefined,
    before: ServerRecord | undefined,
    find: Find,
  ): void {
    const had = (before?.['envelope'] ?? []) as readonly Grant[];
    for (const [index, { resource, scopes }] of (envelope ?? []).entries()) {
      const catalogue = this.#scopesOf(resource);
      const alreadyHeld = had.find(grant => grant.resource === resource)?.scopes ?? [];
      for (const [at, scope] of scopes.entries()) {
        if (!catalogue || catalogue.includes(scope) || alreadyHeld.includes(scope)) continue;
        find(
          {
            sent: scope,
            message: `is no scope of ${resource}`,
            ...didYouMean(scope, catalogue),
            permitted: catalogue,
          },
          ['envelope', index, 'scopes', at],
        );
      }
    }
  }

  #assertWithin(
    envelope: readonly Grant[] | undefined,
    baseline: readonly Grant[] | undefined,
    find: Find,
  ): void {
    if (!envelope || !baseline) return;
    for (const [index, { resource, scopes }] of baseline.entries()) {
      const most = envelope.find(grant => grant.resource === resource)?.scopes;
      if (!most) {
        find(
          {
            sent: resource,
            message: 'is not in the envelope',
            permitted: envelope.map(grant => grant.resource),
          },
          ['baseline', index, 'resource'],
        );
        continue;
      }
      for (const [at, scope] of scopes.entries()) {
        if (most.includes(scope)) continue;
        find({ sent: scope, message: 'is not in the envelope', permitted: most }, [
          'baseline',
          index,
          'scopes',
          at,
        ]);
      }
    }
  }

  /** What a resource server will have: by its document, or as it is. */
  #scopesOf(identifier: string): readonly string[] | undefined {
    const id = this.#resources.get(identifierKey(identifier))?.id ?? '';
    const document = this.#documents.get(id);
    const record = document ? document.fields : this.#fleet.Resource.get(id);
    return (record?.['scopes'] as readonly { readonly name: string }[] | undefined)?.map(scope => scope.name);
  }

  #called(kind: KindName, id: string): string {
    const document = this.#documents.get(id);
    if (document) return nameOf(document);
    return `${id} (${JSON.stringify(this.#fleet[kind].get(id)?.name ?? '')})`;
  }
}
