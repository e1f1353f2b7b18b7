/** A person who lets an agent act for them, by the pages, as anybody does. */
import { enrol } from './person.ts';
import { OPAQUE_RESOURCE, SCOPE, type Target } from './servers.ts';

const given = new WeakMap<Target, Promise<string>>();

/**
 * The delegation under which the client with a secret acts at the resource server of opaque tokens. It is given at the first call.
 *
 * @returns its identifier
 * @throws {Error} when the server does not know delegations, or understands the pages otherwise
 */
export function delegationOf(target: Target): Promise<string> {
  let delegation = given.get(target);
  if (!delegation) {
    delegation = give(target);
    given.set(target, delegation);
  }
  return delegation;
}

async function give(target: Target): Promise<string> {
  const { browser } = await enrol(target);
  const query = new URLSearchParams({ agent: target.secretClient.id, resource: OPAQUE_RESOURCE });
  await browser.open(`/me/delegations/new?${query}`);
  await browser.send('/me/delegations/review', { [`scope:${SCOPE}`]: 'yes', until: '30d' });
  const location = await browser.send('/me/delegations');
  const [, id] = /given=(dlg_\w+)/.exec(location) ?? [];
  if (id === undefined) throw new Error(`no delegation was given, but ${location}`);
  return id;
}
