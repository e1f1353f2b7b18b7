import { newProofKey } from './dpop.ts';
import { type App, addAgent, addPerson, addResource } from './start-app.ts';

/** Registers an agent or a resource server that authenticates with a key; what the key is called. */
export async function addWithKey(app: App, kind: 'agent' | 'resource'): Promise<{ id: string; key: string }> {
  const { publicJwk, jkt } = await newProofKey();
  const credential = { method: 'private_key_jwt', keys: [publicJwk] };
  const resource = await addResource(app, kind === 'resource' ? { credential } : {});
  const made =
    kind === 'resource' ? resource : await addAgent(app, await addPerson(app), resource, { credential });
  return { id: made.id, key: `jwk_${jkt.slice(0, 12)}` };
}
