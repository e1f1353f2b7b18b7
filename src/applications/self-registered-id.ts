import { hash } from 'node:crypto';

const FORM = /^app_[0-9a-f]{32}$/;

/** Whether a client identifier is of an application that registered itself. */
export function isSelfRegisteredId(clientId: string): boolean {
  return FORM.test(clientId);
}

/**
 * The identifier of an application that registers itself. It is made of what it says, so that one which says the same again, as clients
 * do at every start, is the same one.
 */
export function selfRegisteredId(name: string, redirectUris: readonly string[]): string {
  const said = JSON.stringify([name, [...redirectUris].sort()]);
  return `app_${hash('sha256', `application ${said}`, 'hex').slice(0, 32)}`;
}
