/**
 * What people see in a browser: signing in, enrolling, their own page, countersigning. Every change is a form, which works without scripts and carries a token of its own.
 */
import type Router from '@koa/router';
import { approvalPages } from './approval-pages.ts';
import { consentPages } from './consent-pages.ts';
import { delegationPages } from './delegation-pages.ts';
import { enrolmentPages } from './enrolment-pages.ts';
import { myPages } from './my-pages.ts';
import type { PageDeps } from './page-deps.ts';
import { createPageShell } from './page-shell.ts';
import { signInPages } from './sign-in-pages.ts';

export { browserCookies } from './browser-cookies.ts';
export { type CurrentSession, currentSession } from './current-session.ts';
export type { PageDeps } from './page-deps.ts';

/** All pages, to be mounted beside the other routes. */
export function pageRoutes(deps: PageDeps): Router {
  const shell = createPageShell(deps);
  signInPages(deps, shell);
  enrolmentPages(deps, shell);
  myPages(deps, shell);
  delegationPages(deps, shell);
  approvalPages(deps, shell);
  consentPages(deps, shell);
  return shell.router;
}
