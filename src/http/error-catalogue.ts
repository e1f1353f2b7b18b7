import type { ErrorReason, ReasonText } from '../refusals/index.ts';
import { ENGINE_ERRORS, type EngineErrorCode } from './engine-errors.ts';
import { ERROR_FIXES, EXACT_REASONS } from './error-fixes.ts';
import { listOAuthErrors, type MachineRefusal } from './oauth-error.ts';
import { PAGE_REFUSALS, type PageRefusal } from './page-refusals.ts';
import { type AdminRefusal, listProblems } from './problem.ts';

/**
 * Why an answer is an error, by who says so and for which reason: the machine endpoints, our own API (and whatever has no
 * endpoint), the protocol engine, or a page.
 */
export type CataloguedReason =
  | `oauth/${MachineRefusal}`
  | `api/${AdminRefusal}`
  | `engine/${EngineErrorCode}`
  | `page/${PageRefusal}`;

/** Every error that this server answers with, made from the tables that answer. */
export const ERROR_CATALOGUE: ReadonlyMap<ErrorReason, ReasonText> = new Map([
  ...listOAuthErrors().map(([reason, { error, status, description }]) =>
    entry(`oauth/${reason}`, {
      status,
      name: error,
      meaning: description,
      fix: ERROR_FIXES[reason],
      ...exact(reason),
    }),
  ),
  ...listProblems().map(([reason, { code, status, title }]) =>
    entry(`api/${reason}`, {
      status,
      name: code ?? reason,
      meaning: title,
      fix: ERROR_FIXES[reason],
      ...exact(reason),
    }),
  ),
  ...Object.entries(ENGINE_ERRORS).map(([error, { status, description, fix }]) =>
    entry(`engine/${error as EngineErrorCode}`, { status, name: error, meaning: description, fix }),
  ),
  ...Object.entries(PAGE_REFUSALS).map(([reason, { status, meaning, fix }]) =>
    entry(`page/${reason as PageRefusal}`, { status, name: reason, meaning, fix }),
  ),
]);

function entry(reason: CataloguedReason, text: ReasonText): readonly [ErrorReason, ReasonText] {
  return [reason, text];
}

function exact(reason: AdminRefusal | MachineRefusal): { readonly exactly?: string } {
  const exactly = EXACT_REASONS[reason];
  return exactly === undefined ? {} : { exactly };
}
