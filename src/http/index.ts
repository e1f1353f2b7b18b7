/**
 * The HTTP shell: what is the same for every request. Who asks and when, errors in one table for each kind of endpoint, the router
 * of the admin API, documents, probes, and the port.
 *
 * Not here: what an endpoint does, which its capability says (`…/routes.ts`), and pages (`pages/`).
 */
export { createAdminRouter } from './admin-router.ts';
export { createHandler } from './app.ts';
export { renderApiPage } from './describe-api.ts';
export { renderErrorsPage } from './describe-errors.ts';
export { docsRoutes } from './docs-routes.ts';
export { ERROR_CATALOGUE } from './error-catalogue.ts';
export { engineReferences, setReference } from './error-reference.ts';
export { assertNotCoded, parseForm, readBody, readForm } from './form.ts';
export { readJson } from './json.ts';
export { type Listening, listen, type SlowestPeer } from './listen.ts';
export { metadataRoutes } from './metadata.ts';
export { openApiRoutes } from './openapi.ts';
export { PAGE_REFUSALS, type PageRefusal } from './page-refusals.ts';
export { peerAddress } from './peer-address.ts';
export { pendingAnswer } from './pending-answer.ts';
export { probeRoutes } from './probes.ts';
export { createQuarantineGate } from './quarantine-gate.ts';
export { createReadiness } from './readiness.ts';
export { readinessChecks } from './readiness-checks.ts';
export { answerJson } from './ready-answer.ts';
