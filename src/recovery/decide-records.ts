import { eventOrigin, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { Decision } from './deployment.ts';
import { endQuarantine, getQuarantined } from './quarantine.ts';
import { type BackedUpRecord, kindOf, RECORD_KINDS, type RecoveryDeps } from './record-kinds.ts';
import type { RecoveryRefusal } from './recovery-refusal.ts';

/** What becomes of a secret that came out of a backup, where it may have been replaced or withdrawn since. */
export type SecretChoice = 'keep' | 'new';

export interface ListedRecord extends BackedUpRecord {
  readonly decision: Decision | undefined;
}

const PAGE = 200;

/** Every record that came out of the backup, with what was decided of it; people first, since agents answer to them. */
export async function* listRecords(deps: RecoveryDeps, epoch: number): AsyncGenerator<ListedRecord> {
  for (const kind of Object.values(RECORD_KINDS)) {
    let after: string | undefined;
    do {
      const page = await kind.list(deps, { limit: PAGE, ...(after !== undefined && { after }) });
      const decisions = await deps.deployment.findDecisions(
        epoch,
        page.items.map(({ id }) => id),
      );
      for (const record of page.items) yield { ...record, decision: decisions.get(record.id) };
      after = page.next;
    } while (after !== undefined);
  }
}

/** Whether an operator has to say something of it before the deployment can be opened. */
export function isUndecided(record: ListedRecord): boolean {
  return record.decision === undefined && !record.isEnded;
}

/**
 * Confirms that a record is as it should be now, not only as it was at the time of the backup.
 *
 * @param choice what becomes of its secret; to be said of every record that has one
 * @returns the new secret, where one was made; to be shown once
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`, `record-unknown`, `secret-undecided`
 */
export async function confirmRecord(
  deps: RecoveryDeps,
  id: string,
  choice: SecretChoice | undefined,
  origin: Origin,
): Promise<string | undefined> {
  const { epoch, record } = await findRecord(deps, id);
  if (record.decision !== undefined) return undefined;
  if (record.hasSecret && choice === undefined) {
    throw new Refused<RecoveryRefusal>('secret-undecided', { parameter: 'secret', sent: id });
  }
  // The secret first: should we be interrupted in between, the record is confirmed again, with another one.
  const secret =
    record.hasSecret && choice === 'new' ? await kindOf(id)?.renewSecret?.(deps, id, origin) : undefined;
  await decide(deps, epoch, record, 'confirmed', origin);
  return secret;
}

/**
 * Closes a record for now, as a kill does: an administrator can restore it once the deployment is open. A delegation ends for good: its
 * person can give it anew.
 *
 * @throws {Refused} `not-quarantined`, `record-unknown`; `record-protected` for our own API and the built-in person
 */
export async function keepClosed(deps: RecoveryDeps, id: string, origin: Origin): Promise<void> {
  const { epoch, record } = await findRecord(deps, id);
  if (record.decision !== undefined) return;
  await kindOf(id)?.close(deps, id, origin);
  await decide(deps, epoch, record, 'kept-closed', origin);
}

export interface ConfirmRest {
  /** How many records the operator has seen to be left: the number is typed, so that nobody confirms by habit. */
  readonly count: number;
  readonly secrets: SecretChoice | undefined;
  /** Takes each new secret at once, so that an interruption loses one at most. */
  readonly keepSecret: (id: string, secret: string) => void;
}

/**
 * Confirms everything that nothing was said of.
 *
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`, `count-differs`, `secret-undecided`
 */
export async function confirmRest(deps: RecoveryDeps, rest: ConfirmRest, origin: Origin): Promise<number> {
  const { epoch } = await getQuarantined(deps);
  const { ids, withSecret } = await countUndecided(deps, epoch);
  if (ids.length !== rest.count) {
    throw new Refused<RecoveryRefusal>('count-differs', {
      parameter: 'all',
      sent: String(rest.count),
      permitted: [String(ids.length)],
    });
  }
  if (withSecret > 0 && rest.secrets === undefined) {
    throw new Refused<RecoveryRefusal>('secret-undecided', { parameter: 'secret', sent: `${withSecret}` });
  }
  for (const id of ids) {
    const secret = await confirmRecord(deps, id, rest.secrets, origin);
    if (secret !== undefined) rest.keepSecret(id, secret);
  }
  return ids.length;
}

/**
 * Opens the deployment, once something was decided of every record.
 *
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`, `records-undecided` with their number and the first of them
 */
export async function openAsConfirmed(deps: RecoveryDeps, origin: Origin): Promise<void> {
  const { epoch } = await getQuarantined(deps);
  const { ids } = await countUndecided(deps, epoch);
  if (ids.length > 0) {
    throw new Refused<RecoveryRefusal>('records-undecided', {
      sent: String(ids.length),
      permitted: ids.slice(0, 5),
    });
  }
  await endQuarantine(deps, epoch, { by: 'confirmation' }, origin);
}

async function countUndecided(
  deps: RecoveryDeps,
  epoch: number,
): Promise<{ readonly ids: readonly string[]; readonly withSecret: number }> {
  const ids: string[] = [];
  let withSecret = 0;
  for await (const record of listRecords(deps, epoch)) {
    if (!isUndecided(record)) continue;
    ids.push(record.id);
    if (record.hasSecret) withSecret += 1;
  }
  return { ids, withSecret };
}

async function findRecord(
  deps: RecoveryDeps,
  id: string,
): Promise<{ readonly epoch: number; readonly record: ListedRecord }> {
  const { epoch } = await getQuarantined(deps);
  const record = await kindOf(id)?.find(deps, id);
  if (!record) throw new Refused<RecoveryRefusal>('record-unknown', { parameter: 'id', sent: id });
  const decision = (await deps.deployment.findDecisions(epoch, [id])).get(id);
  return { epoch, record: { ...record, decision } };
}

async function decide(
  deps: RecoveryDeps,
  epoch: number,
  { id, kind }: BackedUpRecord,
  decision: Decision,
  origin: Origin,
): Promise<void> {
  // A conflict means that somebody else has said something of it at the same moment: the first word stands, and what
  // was closed stays closed.
  await deps.deployment.commit({
    changes: [{ kind: 'decide', epoch, id, decision }],
    events: [
      {
        type: decision === 'confirmed' ? 'deployment.record-confirmed' : 'deployment.record-kept-closed',
        outcome: 'done',
        ...eventOrigin(origin),
        target: id,
        detail: { kind, epoch },
      },
    ],
  });
}
