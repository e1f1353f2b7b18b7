import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { Refused } from '../errors.ts';
import type { Epochs } from '../liveness.ts';

/** The deployment came out of a backup, and no operator has opened it yet. */
export type QuarantineRefusal = 'deployment-quarantined';

export interface QuarantineGateDeps {
  readonly epochs: Epochs;
  /** Resolves when the epochs are those of the store at the time of the call. */
  fresh(): Promise<void>;
  /** Takes the record of a refusal; alike ones are counted, so that nobody can fill the disk. */
  readonly refusals: { note(event: AuditEvent): Promise<void> };
  /** The issuer's path, without a slash at the end. */
  readonly prefix: string;
}

/**
 * For `/readyz`: the operator reads there why nothing is answered.
 *
 * @throws {Error} while the deployment is quarantined
 */
export function assertOpen(epochs: Epochs): void {
  if (isQuarantineEpoch(epochs.raisedTo(DEPLOYMENT))) throw new Error('quarantined');
}

/** @returns nothing, at once, where the request may go on; otherwise a promise of the same, or of its refusal */
export type QuarantineGate = (path: string, origin: Origin) => Promise<void> | undefined;

/**
 * Keeps everything but these closed while the deployment is quarantined: the probes, introspection, which answers that every
 * token is dead, and texts that say nothing of any record. The keys are not among them: one that was withdrawn after the backup
 * must not be published again. What this process has not heard of yet, the decision to issue refuses (`decide-issue.ts`).
 */
export function createQuarantineGate(deps: QuarantineGateDeps): QuarantineGate {
  const open = new Set([
    '/livez',
    '/readyz',
    '/version',
    `${deps.prefix}/openapi.json`,
    `${deps.prefix}/introspect`,
    `${deps.prefix}/docs`,
  ]);
  const prefixes = ['/.well-known/', `${deps.prefix}/.well-known/`, `${deps.prefix}/docs/`];
  const isOpen = (path: string): boolean =>
    open.has(path) || prefixes.some(prefix => path.startsWith(prefix));
  const isQuarantined = (): boolean => isQuarantineEpoch(deps.epochs.raisedTo(DEPLOYMENT));

  return (path, origin) => {
    if (!isQuarantined() || isOpen(path)) return undefined;
    return refuse(origin);
  };

  async function refuse(origin: Origin): Promise<void> {
    // Another process may have opened it, and nobody else asks the store while everything is refused.
    await deps.fresh();
    if (!isQuarantined()) return;
    await deps.refusals.note({
      type: 'deployment.request-refused',
      outcome: 'refused',
      reason: 'deployment-quarantined' satisfies QuarantineRefusal,
      ...eventOrigin(origin),
    });
    throw new Refused<QuarantineRefusal>('deployment-quarantined');
  }
}
