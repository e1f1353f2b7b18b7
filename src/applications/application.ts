import type { Agent, UsedApplication } from '../agents/index.ts';
import type { ClientCredential } from '../clients/index.ts';

/**
 * How far it is known who an application is:
 *
 * - `registered`: somebody here has registered it
 * - `published`: it is what the owner of a host says it is
 * - `self-registered`: it has said so itself, and nobody else
 */
export type ApplicationIdentity = 'registered' | 'published' | 'self-registered';

/** An application that people may be asked about. */
export interface KnownApplication extends UsedApplication {
  readonly record: Agent;
  readonly identity: ApplicationIdentity;
  readonly redirectUris: readonly string[];
  readonly credential: ClientCredential;
}

/** What an application that is no record of ours has said of itself. */
export interface SelfDescription {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly credential: ClientCredential;
}
