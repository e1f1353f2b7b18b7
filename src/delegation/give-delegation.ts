import { isDeepStrictEqual } from 'node:util';
import { type AuditEvent, type AuthorisedOrigin, assertAuthorityHeld, eventOrigin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { newId } from '../ids.ts';
import { parseInput } from '../input/index.ts';
import {
  checkDelegation,
  type DelegationDeps,
  type DelegationRefusal,
  type DelegationTerms,
} from './check-delegation.ts';
import type { Delegation } from './delegation.ts';
import { delegationInput, type ParsedDelegation } from './delegation-input.ts';

/** Far more gives at once than one person's windows can make. */
const MAX_ATTEMPTS = 20;

export interface GivenDelegation {
  readonly delegation: Delegation;
  readonly change: 'given' | 'replaced' | 'unchanged';
}

/**
 * A person lets an agent act for them at one resource server. Where it may already, what it may is replaced by one conditional write,
 * which cuts off what is out where that leaves less.
 *
 * @param personId who gives it: whose the session in `origin` is
 * @param input a `DelegationInput`, from wherever it comes
 * @throws {Refused<InputRefusal | DelegationRefusal>} recorded in the trail, but for what has not the form of one
 * @throws {AuthorityEnded} where the session ended before it was given
 */
export async function giveDelegation(
  deps: DelegationDeps,
  personId: `usr_${string}`,
  input: unknown,
  origin: AuthorisedOrigin,
): Promise<GivenDelegation> {
  assertOwnAuthority(personId, origin);
  const parsed = parseInput(delegationInput, input);
  try {
    return await give(deps, personId, parsed, origin);
  } catch (error) {
    // That the session has ended is said, and recorded, by whoever opened the session.
    if (error instanceof Refused && isOurs(error.reason)) {
      await deps.refusals.note(
        {
          type: 'delegation.give-refused',
          outcome: 'refused',
          reason: error.reason,
          ...eventOrigin(origin),
          subject: personId,
          target: parsed.agentId,
          scope: parsed.scopes.join(' '),
        },
        'registered',
      );
    }
    throw error;
  }
}

/** Nobody gives for somebody else: that would be a defect of ours, and nothing is written (I3). */
function assertOwnAuthority(personId: string, { authority }: AuthorisedOrigin): void {
  if ('none' in authority || authority.own.includes(personId)) return;
  throw new TypeError('a delegation is given on the authority of another person');
}

async function give(
  deps: DelegationDeps,
  personId: `usr_${string}`,
  input: ParsedDelegation,
  origin: AuthorisedOrigin,
): Promise<GivenDelegation> {
  let taken: string | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const terms = await checkDelegation(deps, personId, input, origin);
    const current = await deps.delegations.findActiveDelegation(terms);
    // What was read as active, and has been ended since, is not brought back by what was pressed before (I6).
    if (taken !== undefined && current?.id !== taken) {
      throw new Refused<DelegationRefusal>('delegation-ended', {
        parameter: 'agentId',
        sent: input.agentId,
        hint: 'it was ended in this moment: give it anew if that is what you want',
      });
    }
    taken = current?.id;
    if (current && isDeepStrictEqual(termsOf(current), terms)) {
      return { delegation: current, change: 'unchanged' };
    }
    const delegation = current ? replacement(current, terms, origin) : newDelegation(terms, origin.now);
    const outcome = await deps.delegations.commit({
      changes: [
        current
          ? { kind: 'replace', collection: 'delegation', record: delegation, ifVersion: current.version }
          : { kind: 'insert', collection: 'delegation', record: delegation },
      ],
      events: [givenEvent(delegation, current, origin)],
      authority: origin.authority,
    });
    assertAuthorityHeld(outcome);
    if (outcome.committed) return { delegation, change: current ? 'replaced' : 'given' };
  }
  throw new StoreUnavailable(`a delegation was changed ${MAX_ATTEMPTS} times while it was being given`);
}

function newDelegation(terms: DelegationTerms, now: number): Delegation {
  return {
    id: newId('dlg', now),
    version: 1,
    epoch: 0,
    createdAt: now,
    updatedAt: now,
    ...terms,
    status: 'active',
  };
}

function replacement(
  current: Delegation,
  terms: DelegationTerms,
  { now, latest }: AuthorisedOrigin,
): Delegation {
  return {
    ...current,
    ...terms,
    version: current.version + 1,
    epoch: current.epoch + (narrowsDelegation(current, terms, latest) ? 1 : 0),
    updatedAt: Math.max(now, current.updatedAt),
  };
}

/**
 * Whether a token issued under a delegation could be more than one that is issued under what replaces it. One that had run out
 * leaves nothing that could be carried on (I18). Pure.
 *
 * @param nowMs milliseconds since the epoch: the latest that it may be
 */
export function narrowsDelegation(before: Delegation, after: DelegationTerms, nowMs: number): boolean {
  return (
    before.expiresAt <= nowMs ||
    after.expiresAt < before.expiresAt ||
    before.scopes.some(scope => !after.scopes.includes(scope)) ||
    before.mayActNext.some(id => !after.mayActNext.includes(id))
  );
}

function givenEvent(
  delegation: Delegation,
  before: Delegation | undefined,
  origin: AuthorisedOrigin,
): AuditEvent {
  const { id, personId, agentId, resource, scopes, expiresAt, mayActNext, epoch } = delegation;
  return {
    type: before ? 'delegation.replaced' : 'delegation.given',
    outcome: 'done',
    ...eventOrigin(origin),
    subject: personId,
    target: id,
    resource,
    scope: scopes.join(' '),
    detail: {
      agent: agentId,
      expiresAt,
      ...(mayActNext.length > 0 && { mayActNext }),
      ...(before && { cutsOff: epoch > before.epoch, epoch }),
    },
  };
}

function termsOf({
  personId,
  agentId,
  resourceId,
  resource,
  scopes,
  expiresAt,
  mayActNext,
}: Delegation): DelegationTerms {
  return { personId, agentId, resourceId, resource, scopes, expiresAt, mayActNext };
}

function isOurs(reason: string): boolean {
  return reason.startsWith('delegation-');
}
