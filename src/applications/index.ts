/**
 * Applications that people use in their browser, wherever they are described: in a record of ours, in a Client ID Metadata Document,
 * or by what they have registered themselves (RFC 7591). The last two are admitted by a template, an agent record which an
 * administrator has made: it says what they may, and closes them all when it is closed.
 *
 * Not here: what a person lets them do (`pages/consent-pages.ts`), and the agent through which they do it (`agents/`).
 */
export type { ApplicationIdentity, KnownApplication } from './application.ts';
export { type AdmittedFeatures, Applications, type ApplicationsDeps, type Lookup } from './applications.ts';
export { type ClientLookups, clientLookups, everyClient, registeredClients } from './client-directory.ts';
export { findGrantable, findParties, type GrantableScopes, type Parties } from './find-grantable.ts';
export type { DocumentProblem } from './metadata-document.ts';
export type { RegistrationRefusal } from './register.ts';
export { type RegistrationRouteDeps, registrationRoutes } from './routes.ts';
export { isSelfRegisteredId } from './self-registered-id.ts';
