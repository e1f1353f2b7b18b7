import type { Context } from 'koa';
import type { Origin } from '../audit/index.ts';
import type { ErrorReferences } from '../refusals/index.ts';
import { engineErrorCode } from './engine-errors.ts';
import type { CataloguedReason } from './error-catalogue.ts';

/** Makes the reference of an answer. */
export function makeReference(
  ctx: Context,
  references: ErrorReferences,
  reason: CataloguedReason,
  claimedClient: string | undefined,
): string {
  const reference = references.make((ctx.state['origin'] as Origin).requestId, reason, claimedClient);
  // Traces have it.
  ctx.state['errorReference'] = reference;
  return reference;
}

/** Gives an answer its reference. */
export function setReference(...made: Parameters<typeof makeReference>): string {
  const reference = makeReference(...made);
  made[0].set('Error-Ref', reference);
  return reference;
}

/** What the protocol engine is given, which knows nothing of references: its pages show one, and where to read more. */
export function engineReferences(references: ErrorReferences, docsUrl: string) {
  return (
    ctx: Context,
    error: string,
    client?: string,
  ): { readonly reference: string; readonly page: string } => {
    const name = engineErrorCode(error);
    const reason = `engine/${name}` as CataloguedReason;
    return { reference: setReference(ctx, references, reason, client), page: `${docsUrl}#${name}` };
  };
}
