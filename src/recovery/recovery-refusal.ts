/**
 * - `not-quarantined`: there is nothing to decide or to open
 * - `record-unknown`: no such record came out of the backup
 * - `records-undecided`: some records have been neither confirmed nor kept closed
 * - `count-differs`: the number typed is not the number of records that are left
 * - `secret-undecided`: the record has a secret, and it was not said whether that stays
 * - `trail-altered`: the exported trail does not verify, or lacks what a checkpoint says it had
 * - `trail-without-checkpoint`: nothing vouches for the end of the exported trail
 * - `trail-pruned`: rows that the backup does not have were removed from the exported trail
 * - `trail-of-another-store`: the exported trail does not hold what the store holds
 */
export type RecoveryRefusal =
  | 'not-quarantined'
  | 'record-unknown'
  | 'records-undecided'
  | 'count-differs'
  | 'secret-undecided'
  | 'trail-altered'
  | 'trail-without-checkpoint'
  | 'trail-pruned'
  | 'trail-of-another-store';
