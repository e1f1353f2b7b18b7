import type { ManagedRecord } from '../audit/index.ts';

export const ROLES = ['member', 'approver', 'operator', 'admin', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

/** A human. Agents have an owner, so a person must exist before an agent does. */
export interface Person extends ManagedRecord {
  readonly id: `usr_${string}`;
  readonly name: string;
  readonly email?: string;
  readonly roles: readonly Role[];
  readonly status: 'active' | 'disabled';
}
