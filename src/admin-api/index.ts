/**
 * The words in which a call of the admin API is described (`call.ts`), and what its routes are given by the HTTP shell
 * (`shell.ts`). Capabilities describe and serve their calls in them.
 *
 * Not here: the router that binds the calls (`http/admin-router.ts`). `calls.ts` lists the calls of every capability, and so
 * stands above them.
 */
export {
  ADMIN_SCOPES,
  type AdminCallDescription,
  type AdminCalls,
  type AdminScope,
  type AnswerOf,
  adminCall,
  type BodyOf,
  type Immutable,
  makesSomething,
  type ParamsOf,
  type QueryOf,
  shownInstant,
  shownPage,
  shownRecord,
} from './call.ts';
export type { AdminAnswer, AdminCall, AdminShell } from './shell.ts';
