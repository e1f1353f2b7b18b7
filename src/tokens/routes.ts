import type { Context, Middleware } from 'koa';
import { type Origin, refuseWhileAhead } from '../audit/index.ts';
import {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  assertAuthorizationReadable,
  authenticateClient,
  type ClientDirectory,
  type DpopDeps,
  receiveDpopProof,
  refuseConflict,
} from '../clients/index.ts';
import { Refused } from '../errors.ts';
import type { FormFields } from '../oauth.ts';
import type { Deferral } from './deferral.ts';
import { beginLookup, type IntrospectTokenDeps, introspectToken } from './introspect-token.ts';
import { CLIENT_CREDENTIALS, type IssueTokenDeps, issueToken, type TokenGrant } from './issue-token.ts';
import { answerPreflight, pagesOf } from './pages-of-clients.ts';
import { type RevokeTokenDeps, revokeToken } from './revoke-token.ts';
import { prefersSigned, SIGNED_INTROSPECTION, signIntrospection } from './sign-introspection.ts';
import { spendProof } from './spend-proof.ts';

export type MachineEndpointRefusal =
  | 'token-missing'
  | 'grant-type-missing'
  | 'grant-type-not-supported'
  | 'proof-key-differs';

export interface MachineEndpointDeps
  extends AuthenticateClientDeps,
    IssueTokenDeps,
    IntrospectTokenDeps,
    RevokeTokenDeps {
  /** Finds applications of people too, however they are described. */
  readonly applications: ClientDirectory;
  readonly dpop: DpopDeps;
  readonly limits: IntrospectTokenDeps['limits'] & {
    /** Before a token is decided on: nothing where it may be, otherwise a promise of the refusal. */
    takeToken(clientId: string, origin: Origin): Promise<never> | undefined;
  };
  /** The grants that are answered here, besides client credentials. */
  readonly grants: readonly TokenGrant[];
  /** How a request waits for a countersignature, and is asked about and withdrawn. */
  readonly deferral: Deferral;
  /** Grant types that are answered after us. */
  readonly otherGrantTypes: readonly string[];
  /** Told of the key that was proved with a request which is answered after us. */
  onKeyProved(ctx: Context, jkt: string): void;
  /**
   * Reads a form-encoded body; refuses duplicates, other media types and bodies over the cap.
   *
   * @param admits whether a page of another origin may send this; none may where absent
   */
  readForm(
    ctx: Context,
    admits?: (origin: string, form: FormFields) => Promise<boolean>,
  ): Promise<FormFields>;
  /** Answers with JSON that nobody may keep. */
  answerJson(ctx: Context, body: string): void;
  /** Answers a poll while nobody has decided. */
  answerPending(ctx: Context): void;
}

/** By path, then by method. */
export type MachineRoutes = ReadonlyMap<string, ReadonlyMap<string, Middleware>>;

/**
 * What machines call in tight loops: `/token` for the grants that are ours, `/introspect`, `/revoke`. Every request passes the
 * same steps: read, authenticate, decide, commit, answer. Grant types that are not ours go on to the engine.
 *
 * @returns by path, then by method
 */
export function machineRoutes(deps: MachineEndpointDeps, prefix: string): MachineRoutes {
  const tokenUrl = `${deps.issuer}/token`;
  const revokeUrl = `${deps.issuer}/revoke`;
  const { deferral } = deps;
  const grants = new Map([CLIENT_CREDENTIALS, ...deps.grants].map(grant => [grant.type, grant]));

  const publicClients: AuthenticateClientDeps = { ...deps, clients: deps.applications, admitsPublic: true };
  const readFromPages = (ctx: Context) => deps.readForm(ctx, pagesOf(deps.applications, ctx));

  const token: Middleware = async (ctx, next) => {
    const origin: Origin = ctx.state['origin'];
    const form = await readFromPages(ctx);
    // Before anything is used up: codes, refresh tokens and assertions work once the clock is right.
    const refused = refuseWhileAhead(deps.refusals, { type: 'token.issue-refused' }, origin);
    if (refused) await refused;
    const grantType = form.get('grant_type');
    if (grantType === undefined)
      throw new Refused<MachineEndpointRefusal>('grant-type-missing', { parameter: 'grant_type' });
    const grant = grants.get(grantType);
    const code = grantType === deferral.grantType ? deferral.codeOf(form) : undefined;
    if (!grant && code === undefined) {
      if (deps.otherGrantTypes.includes(grantType)) {
        await assertAuthorizationReadable(deps, ctx.req.headers.authorization, form, origin);
        const key = await spendProof(deps, ctx, tokenUrl, origin);
        if (key !== undefined) deps.onKeyProved(ctx, key);
        return next();
      }
      throw new Refused<MachineEndpointRefusal>('grant-type-not-supported', {
        parameter: 'grant_type',
        sent: grantType,
        permitted: [...grants.keys(), deferral.grantType, ...deps.otherGrantTypes],
      });
    }
    // Before the client is authenticated: to be asked for a nonce uses up no assertion.
    const proof =
      ctx.req.headers['dpop'] === undefined
        ? undefined
        : await receiveDpopProof(deps.dpop, ctx, { url: tokenUrl }, origin);
    const authenticated = await authenticateClient(deps, ctx.req.headers.authorization, form, origin);
    // The assertion and the proof are not used up: to write that down is what a limit saves, and nothing was granted for them.
    const limited = deps.limits.takeToken(authenticated.client.clientId, origin);
    if (limited) await limited;
    const answer = grant
      ? await issueToken(deps, grant, authenticated, form, proof, origin)
      : await deferral.poll({ authenticated, code: code ?? '', proof }, origin);
    if (answer === 'pending') deps.answerPending(ctx);
    else deps.answerJson(ctx, JSON.stringify(answer));
  };

  const par: Middleware = async (ctx, next) => {
    const origin: Origin = ctx.state['origin'];
    // Also without a proof: who answers after us reads what was kept of the body.
    const form = await deps.readForm(ctx);
    await assertAuthorizationReadable(deps, ctx.req.headers.authorization, form, origin);
    const key = await spendProof(deps, ctx, `${deps.issuer}/par`, origin);
    if (key !== undefined) nameKey(ctx, form, key);
    return next();
  };

  const introspect: Middleware = async ctx => {
    const form = await deps.readForm(ctx);
    const origin: Origin = ctx.state['origin'];
    const looked = beginLookup(deps, form.get('token') ?? '');
    const authenticated = await authenticateClient(deps, ctx.req.headers.authorization, form, origin);
    const answer = await introspectToken(
      deps,
      authenticated,
      await requiredToken(deps, authenticated, form, origin),
      origin,
      looked,
    );
    if (!prefersSigned(ctx)) return deps.answerJson(ctx, answer);
    const { clientId } = authenticated.client;
    ctx.set('Cache-Control', 'no-store');
    ctx.type = SIGNED_INTROSPECTION;
    ctx.body = await signIntrospection(deps.signer, deps.issuer, clientId, answer, origin);
  };

  const revoke: Middleware = async ctx => {
    const form = await readFromPages(ctx);
    const origin: Origin = ctx.state['origin'];
    // What it is shows by its form: a hint can be wrong (RFC 7009 section 2.1).
    const code = deferral.isCode(form.get('token') ?? '') ? form.get('token') : undefined;
    const proof =
      code === undefined || ctx.req.headers['dpop'] === undefined
        ? undefined
        : await receiveDpopProof(deps.dpop, ctx, { url: revokeUrl }, origin);
    const authenticated = await authenticateClient(
      publicClients,
      ctx.req.headers.authorization,
      form,
      origin,
    );
    if (code === undefined) {
      const token = await requiredToken(deps, authenticated, form, origin);
      await revokeToken(deps, authenticated, token, origin);
    } else await deferral.cancel({ authenticated, code, proof }, origin);
    deps.answerJson(ctx, '{}');
  };

  const preflight: Middleware = ctx => answerPreflight(ctx);
  return new Map(
    Object.entries({
      token: { POST: token, OPTIONS: preflight },
      par: { POST: par },
      introspect: { POST: introspect },
      revoke: { POST: revoke, OPTIONS: preflight },
    }).map(([name, methods]) => [`${prefix}/${name}`, new Map(Object.entries(methods))]),
  );
}

/** A proof that comes with a pushed request says what `dpop_jkt` would say: they must not differ (RFC 9449 section 10.1). */
function nameKey(ctx: Context, form: FormFields, key: string): void {
  const named = form.get('dpop_jkt');
  if (named !== undefined && named !== key) {
    throw new Refused<MachineEndpointRefusal>('proof-key-differs', {
      parameter: 'dpop_jkt',
      sent: named,
      permitted: [key],
    });
  }
  if (named === undefined) {
    ctx.state['body'] = Buffer.concat([ctx.state['body'] as Buffer, Buffer.from(`&dpop_jkt=${key}`)]);
  }
}

/** The assertion that has authenticated a request is used up, also where the request then asks about nothing (I1). */
async function requiredToken(
  deps: Pick<MachineEndpointDeps, 'tokens' | 'refusals' | 'limits'>,
  { client, spent }: AuthenticatedClient,
  form: FormFields,
  origin: Origin,
): Promise<string> {
  const token = form.get('token');
  if (token !== undefined) return token;
  if (spent.length > 0) {
    const outcome = await deps.tokens.commit({ changes: spent, events: [] });
    if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  }
  throw new Refused<MachineEndpointRefusal>('token-missing', { parameter: 'token' });
}
