import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { newClientSecret } from '../clients/index.ts';
import { StoreUnavailable } from '../errors.ts';
import { newId } from '../ids.ts';
import { BOOTSTRAP_OPERATOR_ID, type CredentialStore, isBuiltIn, type Person } from '../people/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../resources/index.ts';
import type { Agent } from './agent.ts';
import {
  type BootstrapAdminDeps,
  credentialOf,
  type Step,
  stepForNewAdministrator,
  stepForNewPerson,
} from './bootstrap-admin.ts';

export interface RecoveredAdministrator {
  readonly clientId: Agent['id'];
  readonly secret: string;
}

const MAX_ATTEMPTS = 20;

/**
 * Makes a new administrator: for whoever runs the host, when nobody can administer the server any more. Nobody else's standing changes.
 *
 * It belongs to the built-in person, which is enabled again if it was disabled by an earlier version. Where somebody has taken that
 * person over, they may have been stopped for a reason: then it belongs to a person of its own, who cannot sign in.
 *
 * @param client made by `newRecoveredAdministrator`, and kept by whoever calls before it can be used, so that a crash loses nothing
 * @throws {Error} when no server has started on the store yet
 */
export async function recoverAdministrator(
  deps: BootstrapAdminDeps & { readonly credentials: Pick<CredentialStore, 'findCredential'> },
  client: RecoveredAdministrator,
  origin: Origin,
): Promise<void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const [resource, person, isFree] = await Promise.all([
      deps.resources.findResource(ADMIN_API_RESOURCE_ID),
      deps.people.findPerson(BOOTSTRAP_OPERATOR_ID),
      isBuiltIn(deps.credentials, BOOTSTRAP_OPERATOR_ID),
    ]);
    if (!resource)
      throw new Error('No server has started on this store yet: the first start makes an administrator.');
    const { ownerId, steps } = isFree ? ownedByBuiltIn(person, origin) : ownedByNobodyElse(origin);
    const made = stepForNewAdministrator(
      {
        id: client.clientId,
        name: 'Recovered administrator',
        purpose: 'Made on the host, when nobody could administer the server',
        ownerId,
        credential: credentialOf(client.secret),
      },
      resource.identifier,
      origin,
    );
    const all = [...steps, made];
    const recovered: AuditEvent = {
      type: 'admin.recovered',
      outcome: 'done',
      ...eventOrigin(origin),
      target: client.clientId,
      detail: { owner: ownerId },
    };
    const outcome = await deps.store.commit({
      changes: all.map(step => step.change),
      events: [recovered, ...all.flatMap(step => step.events)],
      authority: { none: 'host-command' },
    });
    if (outcome.committed) return;
  }
  throw new StoreUnavailable(
    'no administrator could be made: other processes kept changing what it rests on',
  );
}

/** Credentials for an administrator that is yet to be made. */
export function newRecoveredAdministrator({ now }: Origin): RecoveredAdministrator {
  return { clientId: newId('agt', now), secret: newClientSecret() };
}

interface Ownership {
  readonly ownerId: Person['id'];
  readonly steps: readonly Step[];
}

function ownedByBuiltIn(person: Person | undefined, origin: Origin): Ownership {
  const ownerId = BOOTSTRAP_OPERATOR_ID;
  if (!person)
    return { ownerId, steps: [stepForNewPerson(ownerId, 'Bootstrap operator', ['admin'], origin)] };
  if (person.status === 'active') return { ownerId, steps: [] };
  const record: Person = {
    ...person,
    status: 'active',
    version: person.version + 1,
    updatedAt: Math.max(origin.now, person.updatedAt),
  };
  const event: AuditEvent = {
    type: 'person.restored',
    outcome: 'done',
    ...eventOrigin(origin),
    target: ownerId,
    detail: { epoch: person.epoch },
  };
  return {
    ownerId,
    steps: [
      {
        change: { kind: 'replace', collection: 'person', record, ifVersion: person.version },
        events: [event],
      },
    ],
  };
}

function ownedByNobodyElse(origin: Origin): Ownership {
  const ownerId = newId('usr', origin.now);
  return { ownerId, steps: [stepForNewPerson(ownerId, 'Recovery operator', ['member'], origin)] };
}
