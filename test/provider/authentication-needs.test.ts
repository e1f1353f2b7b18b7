/** How lately and how well a person has to have signed in: said by the client (RFC 9470 section 4), without ID tokens. */
import test, { type ExecutionContext } from 'ava';
import * as client from 'openid-client';
import { introspect, startWorld, type Walked, type World } from '../support/application-world.ts';

const MFA = 'urn:countersign:acr:mfa';

/** Sends an authorization request in the address, or pushes it before (RFC 9126). */
type Send = (
  world: World,
  parameters: Record<string, string>,
) => Promise<{ url: URL } & Omit<Walked, 'callback'>>;

const inTheAddress: Send = async (world, parameters) => {
  const { config, resource } = world;
  const verifier = client.randomPKCECodeVerifier();
  const url = client.buildAuthorizationUrl(config, {
    ...(await request(verifier)),
    resource: resource.identifier,
    ...parameters,
  });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: 'state' } };
};

const pushed: Send = async (world, parameters) => {
  const { config, resource } = world;
  const verifier = client.randomPKCECodeVerifier();
  const url = await client.buildAuthorizationUrlWithPAR(config, {
    ...(await request(verifier)),
    resource: resource.identifier,
    ...parameters,
  });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: 'state' } };
};

async function request(verifier: string): Promise<Record<string, string>> {
  return {
    redirect_uri: 'http://127.0.0.1:49152/callback',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    scope: 'read',
    state: 'state',
  };
}

/** Goes to the page where the person would be asked. @returns where they are sent instead, and the page */
async function open({ visitor }: World, url: URL) {
  const page = (await visitor.get(url.href)).location ?? '';
  return { page, sentTo: (await visitor.get(page)).location };
}

async function agree({ app, visitor }: World, page: string): Promise<URL> {
  await visitor.get(page);
  const decided = await visitor.submit(new URL(page, app.issuer).pathname, { decision: 'allow' });
  return new URL((await visitor.get(decided.location ?? '')).location ?? '');
}

function signInAgain({ app, visitor, ada, pass }: World, page: string) {
  // The code of this moment was used.
  pass(60_000);
  return visitor.signIn(ada.email, ada.seed, app.now(), new URL(page, app.issuer).pathname);
}

function inBothWays(title: string, run: (t: ExecutionContext, send: Send) => Promise<void>): void {
  test(title, run, inTheAddress);
  test(`${title} (RFC 9126)`, run, pushed);
}

inBothWays(
  'max_age: who signed in longer ago signs in anew, and the token says when that was',
  async (t, send) => {
    const world = await startWorld(t);
    const { app, config, pass } = world;
    pass(120_000);
    const lately = await send(world, { max_age: '600' });
    t.is((await open(world, lately.url)).sentTo, undefined);

    const { url, checks } = await send(world, { max_age: '60' });
    const { page, sentTo } = await open(world, url);
    t.regex(sentTo ?? '', /^\/sign-in\?next=/);
    const back = await signInAgain(world, page);
    t.is(back.location, new URL(page, app.issuer).pathname);
    const signedInAt = Math.floor(app.now() / 1_000);
    const tokens = await client.authorizationCodeGrant(config, await agree(world, page), checks);
    const answer = await introspect(world, tokens.access_token);
    t.true(
      Math.abs(answer.auth_time - signedInAt) <= 60 && answer.auth_time <= answer.iat,
      `${answer.auth_time}`,
    );
    t.is(answer.acr, MFA);
  },
);

inBothWays(
  'acr_values: what the session reaches is enough; what it does not is asked for, and refused if it is not reached',
  async (t, send) => {
    const world = await startWorld(t);
    const { config } = world;
    const enough = await send(world, { acr_values: `phr ${MFA}` });
    const { page: first, sentTo } = await open(world, enough.url);
    t.is(sentTo, undefined);
    const tokens = await client.authorizationCodeGrant(config, await agree(world, first), enough.checks);
    t.is((await introspect(world, tokens.access_token)).acr, MFA);

    const more = await send(world, { acr_values: 'phr' });
    const { page, sentTo: signIn } = await open(world, more.url);
    t.regex(signIn ?? '', /^\/sign-in\?next=/);
    await signInAgain(world, page);
    const refused = await agree(world, page);
    t.is(refused.searchParams.get('error'), 'unmet_authentication_requirements');
    t.false(refused.searchParams.has('code'));
  },
);

test('an acr that nobody can reach here, and a max_age that is no number, are refused by name', async t => {
  const world = await startWorld(t);
  const refusals = { acr_values: 'unmet_authentication_requirements', max_age: 'invalid_request' };
  for (const [parameter, error] of Object.entries(refusals)) {
    const { url } = await inTheAddress(world, { [parameter]: 'gold' });
    const callback = new URL((await world.visitor.get(url.href)).location ?? '');
    t.is(callback.searchParams.get('error'), error);
    t.regex(callback.searchParams.get('error_description') ?? '', new RegExp(parameter));
    await t.throwsAsync(pushed(world, { [parameter]: 'gold' }), undefined, parameter);
  }
});

test('login_hint: the address stands in the form already, and nothing else follows from it', async t => {
  const world = await startWorld(t);
  await world.visitor.get('/me');
  await world.visitor.submit('/sign-out');
  const { url } = await inTheAddress(world, { login_hint: '"ada"@example.com' });
  const { sentTo } = await open(world, url);
  const { text } = await world.visitor.get(sentTo ?? '');
  t.regex(text, /name="email"[^>]* value="&quot;ada&quot;@example\.com"/);
});
