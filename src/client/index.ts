/**
 * The admin API from a program: one method for each call, with its types, made from the same descriptions that serve it.
 *
 * ```ts
 * const countersign = createClient({ issuer, clientId, clientSecret });
 * await countersign.killAgent({ id });
 * for await (const agent of countersign.listAgents()) console.log(agent.name, agent.status);
 * ```
 *
 * It gets its own tokens, each with the one scope that a call needs, and gets new ones in time. Nothing of the server is loaded.
 */

export type { CallAnswer, CallArguments, CallOptions } from './call-types.ts';
export { type AdminClient, createClient } from './client.ts';
export type { ClientAuthentication, ClientOptions } from './client-options.ts';
export type { Pages } from './pages.ts';
export { ProblemError, TokenError } from './refusals.ts';
