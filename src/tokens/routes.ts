import Router from '@koa/router';
import type { Context } from 'koa';
import type { Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, authenticateClient } from '../clients/index.ts';
import { Refused } from '../errors.ts';
import { type FormFields, GRANT_TYPES } from '../oauth.ts';
import { introspectToken, type TokenLookupDeps } from './introspect-token.ts';
import { type IssueTokenDeps, issueClientCredentialsToken } from './issue-token.ts';
import { revokeToken } from './revoke-token.ts';

export type MachineEndpointRefusal = 'token-missing' | 'grant-type-missing' | 'grant-type-not-supported';

export interface MachineEndpointDeps extends AuthenticateClientDeps, IssueTokenDeps, TokenLookupDeps {
  /** Grant types that are answered after us. */
  readonly otherGrantTypes: readonly string[];
  /** Reads a form-encoded body; refuses duplicates, other media types and bodies over the cap. */
  readForm(ctx: Context): Promise<FormFields>;
}

/**
 * What machines call in tight loops: `/token` for the grants that are ours, `/introspect`, `/revoke`. Every request passes the
 * same steps: read, authenticate, decide, commit, answer. Grant types that are not ours go on to the engine.
 */
export function machineRoutes(deps: MachineEndpointDeps, prefix: string): Router<{ origin: Origin }> {
  const router = new Router<{ origin: Origin }>({ sensitive: true, strict: true, prefix });

  router.post('/token', async (ctx, next) => {
    const form = await deps.readForm(ctx);
    const grantType = form.get('grant_type');
    if (grantType === undefined)
      throw new Refused<MachineEndpointRefusal>('grant-type-missing', { parameter: 'grant_type' });
    if (grantType !== GRANT_TYPES.clientCredentials) {
      if (deps.otherGrantTypes.includes(grantType)) return next();
      throw new Refused<MachineEndpointRefusal>('grant-type-not-supported', {
        parameter: 'grant_type',
        sent: grantType,
        permitted: [GRANT_TYPES.clientCredentials, ...deps.otherGrantTypes],
      });
    }
    const { origin } = ctx.state;
    const authenticated = await authenticateClient(deps, ctx.headers.authorization, form, origin);
    const request = { resources: form.getAll('resource'), scope: form.get('scope') };
    answerJson(ctx, JSON.stringify(await issueClientCredentialsToken(deps, authenticated, request, origin)));
  });

  router.post('/introspect', async ctx => {
    const form = await deps.readForm(ctx);
    const { origin } = ctx.state;
    const authenticated = await authenticateClient(deps, ctx.headers.authorization, form, origin);
    answerJson(ctx, await introspectToken(deps, authenticated, requiredToken(form), origin));
  });

  router.post('/revoke', async ctx => {
    const form = await deps.readForm(ctx);
    const { origin } = ctx.state;
    const authenticated = await authenticateClient(deps, ctx.headers.authorization, form, origin);
    await revokeToken(deps, authenticated, requiredToken(form), origin);
    answerJson(ctx, '{}');
  });

  return router;
}

function requiredToken(form: FormFields): string {
  const token = form.get('token');
  if (token === undefined) throw new Refused<MachineEndpointRefusal>('token-missing', { parameter: 'token' });
  return token;
}

function answerJson(ctx: Context, json: string): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.type = 'application/json';
  ctx.body = json;
}
