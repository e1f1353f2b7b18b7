import type { AdminShell } from '../admin-api/index.ts';
import { Refused } from '../errors.ts';
import type { InputRefusal } from '../input/index.ts';
import { explainCalls } from './api.ts';
import { explainAgent } from './explain-agent.ts';
import { type ExplainDeps, explainRequest } from './explain-request.ts';
import { explainToken } from './explain-token.ts';

/** Binds the calls that explain. */
export function explainRoutes(deps: ExplainDeps, shell: AdminShell): void {
  shell.route(explainCalls.explainAgent, async ({ params, origin }) => {
    const { owner, endsAt, ...explained } = await explainAgent(deps, params.id, origin);
    return {
      body: {
        ...explained,
        ...(owner && { owner }),
        ...(endsAt !== undefined && { endsAt: instant(endsAt) }),
      },
    };
  });
  shell.route(explainCalls.explainToken, async ({ body, origin }) => {
    const { issuedAt, expiresAt, cutOffBy, ...explained } = await explainToken(
      deps,
      named(body),
      origin.latest,
    );
    return {
      body: {
        ...explained,
        issuedAt: instant(issuedAt),
        expiresAt: instant(expiresAt),
        ...(cutOffBy && { cutOffBy: { ...cutOffBy, at: instant(cutOffBy.at) } }),
      },
    };
  });
  shell.route(explainCalls.explainRequest, async ({ params, body, origin }) => {
    const { resource, scope, dpop, delegationId } = body;
    const asked = {
      resources: resource === undefined ? [] : [resource],
      // A parameter without a value counts as not sent (RFC 6749 section 3.2).
      scope: scope === '' ? undefined : scope,
      proofKey: dpop ? 'any key' : undefined,
    };
    return { body: await explainRequest(deps, params.id, asked, origin, delegationId) };
  });
}

function named({
  jti,
  token,
}: {
  readonly jti?: string | undefined;
  readonly token?: string | undefined;
}): string {
  const [only, another] = [jti, token].filter(each => each !== undefined);
  if (only !== undefined && another === undefined) return only;
  throw new Refused<InputRefusal>('input-invalid', { permitted: ['one of the fields jti and token'] });
}

function instant(at: number): string {
  return new Date(at).toISOString();
}
