/**
 * What happens when a store comes out of a backup: it cannot know what was taken away after it was made, so nothing is granted
 * until that is known again.
 *
 * A quarantine is one commit that raises the deployment's own epoch (`deployment-epoch.ts`). It ends when the trail that was
 * exported elsewhere has been replayed (`replay-trail.ts`), or when an operator has said of every record whether it is as it
 * should be (`decide-records.ts`). A store that was put back by hand is found by its high-water mark (`high-water-mark.ts`).
 *
 * Not here: how a backup is made and put in place (`store/sqlite/`), and what is refused meanwhile (`http/quarantine-gate.ts`,
 * `tokens/decide-issue.ts`, `store/before-restore.ts`).
 */
export { acceptClock } from './accept-clock.ts';
export { agreeOnTime, ClockRefused, showSpan, whyBehind } from './agree-on-time.ts';
export {
  confirmRecord,
  confirmRest,
  isUndecided,
  keepClosed,
  type ListedRecord,
  listRecords,
  openAsConfirmed,
  type SecretChoice,
} from './decide-records.ts';
export type { Decision, Deployment, DeploymentChange, DeploymentStore, Quarantine } from './deployment.ts';
export { highWaterMarkFile, keepHighWaterMark } from './high-water-mark.ts';
export {
  forgetOlderKeyEncryptionKeys,
  isNewStore,
  missingKeyEncryptionKeys,
  noteKeyEncryptionKey,
} from './key-checks.ts';
export { openDeployment, STARTED_TOGETHER_MS } from './open-deployment.ts';
export { getQuarantined, quarantineDeployment } from './quarantine.ts';
export type { RecordKindName, RecoveryDeps } from './record-kinds.ts';
export type { RecoveryRefusal } from './recovery-refusal.ts';
export { type ReplayReport, replayTrail } from './replay-trail.ts';
