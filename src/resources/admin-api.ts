import type { AdminScope } from '../admin-api/index.ts';
import { identifierKey, type Resource, type ScopeDefinition } from './resource.ts';
import type { ResourceStore } from './resource-store.ts';

/** The resource server that is our own API. Its id is the same everywhere, and no call can kill or narrow it. */
export const ADMIN_API_RESOURCE_ID = `res_${'0'.repeat(32)}` as const;

const SCOPES = {
  read: { sentence: 'See agents, people, resource servers and keys', risk: 'low' },
  agents: { sentence: 'Register, change and restore agents and resource servers', risk: 'high' },
  people: { sentence: 'Register, change, invite and restore people, and give them roles', risk: 'high' },
  kill: { sentence: 'Stop agents, people, resource servers and delegations at once', risk: 'medium' },
  keys: { sentence: 'Withdraw signing keys, and every token that they signed', risk: 'high' },
  audit: { sentence: 'Read the audit trail', risk: 'medium' },
} as const satisfies Record<AdminScope, Omit<ScopeDefinition, 'name'>>;

/** What can be done with our own API, in words and with its risk. */
export const ADMIN_API_SCOPES: readonly ScopeDefinition[] = Object.entries(SCOPES).map(([name, scope]) => ({
  name,
  ...scope,
}));

/** The resource identifier of our own API: the audience of the tokens it takes. */
export function adminApiIdentifier(issuer: string): string {
  return `${issuer}/api`;
}

/**
 * Resource servers as whoever asks for a token names them: by the issuer's name for it, our own API is meant. That is its identifier, but
 * where another resource server had taken it before the server moved to this issuer: then our API keeps the one from before, and so do
 * the envelopes that name it. Those that name the other one are for the other one: nobody gets to administer by a name.
 */
export function ownApiFirst(resources: NamedResources, issuer: string): NamedResources {
  const own = identifierKey(adminApiIdentifier(issuer));
  return {
    findResource: id => resources.findResource(id),
    findResourceByIdentifier: identifier =>
      identifierKey(identifier) === own
        ? resources.findResource(ADMIN_API_RESOURCE_ID)
        : resources.findResourceByIdentifier(identifier),
  };
}

type NamedResources = Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;

/**
 * Whether somebody may be let act for a person there. What is delegated is anybody's who signs in: nobody administers this server by
 * it, whatever an envelope of former times says.
 */
export function mayBeDelegated({ id }: Pick<Resource, 'id'>): boolean {
  return id !== ADMIN_API_RESOURCE_ID;
}
