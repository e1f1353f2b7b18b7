import type { AdminShell } from '../admin-api/index.ts';
import { refusalCalls } from './api.ts';
import { type ExplainErrorDeps, explainError } from './explain-error.ts';

/** Binds the call that explains an error. */
export function refusalRoutes(deps: ExplainErrorDeps, shell: AdminShell): void {
  shell.route(refusalCalls.explainError, async ({ params }) => {
    const { at, ...explained } = await explainError(deps, params.reference);
    return { body: { ...explained, at: new Date(at).toISOString() } };
  });
}
