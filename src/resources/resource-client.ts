import type { Client } from '../clients/index.ts';
import { handle } from '../liveness.ts';
import type { Resource } from './resource.ts';

/** A resource server as the protocol sees it: it asks about tokens, and gets none. */
export function resourceClient(resource: Resource): Client {
  return {
    clientId: resource.id,
    kind: 'resource',
    principalId: resource.id,
    handle: handle(resource.id, resource.epoch),
    credential: resource.credential,
    enabled: resource.status === 'active',
  };
}
