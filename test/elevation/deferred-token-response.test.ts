/** Deferred token responses (draft-ietf-oauth-deferred-token-response-01) as an agent meets them: over HTTP, and on each store. */
import test from 'ava';
import * as client from 'openid-client';
import { killAgent, restoreAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import { updateResource } from '../../src/resources/index.ts';
import { delegationDeps, EXCHANGE } from '../delegation/exchange-world.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import { addKeyAgent, presenting, signAssertion } from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';
import { alike, DEFERRAL_CODE, DEFERRED, managed, startWireWorld } from './wire-world.ts';

onEachStore(
  'a request beyond the baseline waits, is countersigned, and is fetched once: what introspection says is what was shown',
  async (t, env) => {
    const { app, ada, agent, clock, resource, ...world } = await startWireWorld(t, { env });
    const asked = await world.ask({ reason: 'Order 7 came broken', duration: '240' });
    t.is(asked.status, 400);
    t.is(asked.headers.get('cache-control'), 'no-store');
    t.is(asked.headers.get('content-type'), 'application/json; charset=utf-8');
    const { deferral_code: code, binding_code: binding, error_uri: uri, ...told } = asked.json;
    t.like(told, { error: 'authorization_pending', expires_in: 660, interval: 5 });
    t.regex(code, /^cs_dc_[\w-]{48}$/);
    t.regex(binding, /^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/);
    t.is(uri, `${app.issuer}/docs/errors#authorization_pending`);
    const elevation = await world.elevation(asked);
    t.like(elevation, { reason: 'Order 7 came broken', seconds: 240, bindingCode: binding });

    const pending = await world.poll(asked);
    t.is(pending.status, 400);
    t.is(pending.headers.get('cache-control'), 'no-store');
    t.is(pending.headers.get('content-type'), asked.headers.get('content-type'));
    t.regex(asked.headers.get('error-ref') ?? '', /^err_/);
    t.false(pending.headers.has('error-ref'), 'nothing was refused, and no reference leads anywhere');
    t.deepEqual(Object.keys(pending.json).sort(), ['error', 'error_description', 'error_uri']);
    t.is(pending.json.error, 'authorization_pending');
    t.deepEqual(await world.eventsOf('elevation.redeem-refused'), [], 'to be told to wait is not recorded');

    const { approval } = await world.approve(asked);
    clock.pass(20_000);
    const granted = await world.poll(asked);
    t.is(granted.status, 200, granted.text);
    t.is(granted.headers.get('cache-control'), 'no-store');
    const { access_token: token, ...rest } = granted.json;
    t.deepEqual(rest, { token_type: 'Bearer', expires_in: 220, scope: 'read write' }, 'as the grant answers');
    const live = await world.introspect(token);
    t.like(live, {
      active: true,
      sub: agent.id,
      client_id: agent.id,
      aud: resource.identifier,
      scope: 'read write',
    });
    t.deepEqual(live.approval, {
      id: elevation.id,
      by: ada.person.id,
      amr: ['pwd', 'otp', 'mfa'],
      acr: 'urn:countersign:acr:countersigned',
      auth_time: (approval?.at ?? 0) / 1_000,
      digest: approval?.digest,
    });
    const [issued] = (await app.trail()).filter(({ jti }) => jti === live.jti && jti !== undefined).reverse();
    t.like(issued, { type: 'token.issued', detail: { grant: DEFERRED, elevation: elevation.id } });
    const second = await world.poll(asked);
    t.deepEqual([second.status, second.json.error], [400, 'invalid_grant']);
    clock.pass(220_000);
    t.deepEqual(await world.introspect(token), { active: false }, 'dead when its time is over');
  },
);

onEachStore(
  "openid-client's generic grant request asks beyond a delegation, polls, and has the token of the exchange",
  async (t, env) => {
    const { app, ada, agent, resource, ...world } = await startWireWorld(t, { env });
    const delegation = await world.give();
    const config = await client.discovery(
      new URL(app.issuer),
      agent.id,
      undefined,
      client.ClientSecretBasic(agent.basic[1]),
      { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
    );
    const metadata = config.serverMetadata();
    t.true(metadata['deferred_token_response_supported']);
    t.true(metadata.grant_types_supported?.includes(DEFERRED));
    t.true((metadata['revocation_endpoint_token_type_values_supported'] as string[]).includes(DEFERRAL_CODE));
    const refused = async (grant: string, parameters: Record<string, string>) => {
      const error = await t.throwsAsync(client.genericGrantRequest(config, grant, parameters), {
        instanceOf: client.ResponseBodyError,
      });
      return error?.cause ?? {};
    };
    const request = {
      subject_token: delegation.id,
      subject_token_type: 'urn:countersign:token-type:delegation',
      resource: resource.identifier,
      scope: 'read delete',
    };
    const asked = await refused(EXCHANGE, { ...request, completion_mode: 'deferred', reason: 'by Alice' });
    t.like(asked, { error: 'authorization_pending', interval: 5 });
    const poll = { deferral_code: String(asked['deferral_code']) };
    t.is((await refused(DEFERRED, poll)).error, 'authorization_pending');
    const record = await world.elevation(poll.deferral_code);
    t.like(record, { subject: ada.person.id, approverId: ada.person.id, delegationId: delegation.id });
    await world.approve({ json: asked } as never);
    const answer = await client.genericGrantRequest(config, DEFERRED, poll);
    t.is(answer['issued_token_type'], 'urn:ietf:params:oauth:token-type:access_token');
    t.is(answer.scope, 'read delete');
    t.is(answer.expires_in, 900);
    t.like(await world.introspect(answer.access_token), {
      sub: ada.person.id,
      act: { sub: agent.id },
      delegation_id: delegation.id,
      approval: { id: record.id, by: ada.person.id },
    });
    t.is((await refused(DEFERRED, poll)).error, 'invalid_grant');
    await endDelegation(delegationDeps(app), delegation.id, app.origin());
    t.deepEqual(await world.introspect(answer.access_token), { active: false });

    const second = await refused('client_credentials', {
      resource: resource.identifier,
      scope: 'write',
      completion_mode: 'interactive deferred',
    });
    await client.tokenRevocation(config, String(second['deferral_code']), { token_type_hint: DEFERRAL_CODE });
    t.is(
      (await refused(DEFERRED, { deferral_code: String(second['deferral_code']) })).error,
      'access_denied',
    );
  },
);

test('nothing waits without completion_mode=deferred: the refusal names what would have to be countersigned, and how to ask', async t => {
  const { agent, ...world } = await startWireWorld(t);
  const delegation = await world.give();
  const how =
    /sent: write; permitted: read; a person can countersign it: repeat the request with completion_mode=deferred/;
  for (const mode of [undefined, 'interactive', 'DEFERRED', 'deferred-ish']) {
    const own = await world.ask({ completion_mode: mode });
    t.deepEqual([own.status, own.json.error], [400, 'invalid_scope'], mode);
    t.regex(own.json.error_description, how);
    const exchanged = await world.exchange(delegation, { completion_mode: mode });
    t.deepEqual([exchanged.status, exchanged.json.error], [400, 'invalid_scope'], mode);
    t.regex(exchanged.json.error_description, how);
  }
  const risky = await world.exchange(delegation, { scope: 'delete', completion_mode: undefined });
  t.regex(risky.json.error_description, /sent: delete; permitted: read; .*completion_mode=deferred/);
  t.deepEqual(await world.eventsOf('elevation.asked'), []);
  for (const mode of ['deferred', 'deferred interactive', 'x  deferred', 'interactive deferred']) {
    t.is(
      (await world.ask({ completion_mode: mode, duration: '60' })).json.error,
      'authorization_pending',
      mode,
    );
  }
});

test('what needs nobody is decided at once, whatever the mode, and so is what can never be', async t => {
  const { app, agent, clock, resource, ...world } = await startWireWorld(t);
  const delegation = await world.give();
  t.is((await world.ask({ scope: 'read' })).status, 200, 'within the baseline');
  t.is((await world.ask({ scope: undefined })).json.scope, 'read');
  t.is((await world.exchange(delegation, { scope: 'read' })).status, 200, 'within the delegation');
  const code = async (form: Record<string, string>) => (await world.ask(form)).json.error;
  t.is(await code({ scope: 'read fly' }), 'invalid_scope');
  t.is(await code({ duration: 'soon' }), 'invalid_request');
  t.is(await code({ duration: '0' }), 'invalid_request');
  t.is(
    await code({ authorization_details: '[]' }),
    'invalid_authorization_details',
    'which nobody would be shown',
  );
  t.is(await code({ resource: 'https://unknown.example/mcp' }), 'invalid_target');
  const token = (await world.exchange(delegation, { scope: 'read' })).json.access_token;
  const byToken = await world.exchange(delegation, {
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope: 'read write',
  });
  t.is(byToken.json.error, 'invalid_scope', 'a token would be dead before a person has decided');
  const narrow = await world.addAgent({ envelope: [{ resource: resource.identifier, scopes: ['read'] }] });
  t.is((await world.ask({}, { agent: narrow })).json.error, 'invalid_scope', 'beyond the envelope');
  const ending = await world.addAgent({ expiresAt: new Date(clock() + 400).toISOString() });
  t.is((await world.ask({}, { agent: ending })).json.error, 'invalid_client', 'nothing of it is left');
  await updateResource(
    managed(app),
    resource.id,
    '*',
    { tokenFormat: { kind: 'jwt', alg: 'ES256' } },
    app.origin(),
  );
  t.is(await code({}), 'invalid_target', 'it takes no opaque tokens');
  const plain = await world.ask({ completion_mode: undefined });
  t.false(plain.json.error_description.includes('completion_mode'), 'nor is that recommended');
  t.deepEqual(await world.eventsOf('elevation.asked'), []);
  const reasons = (await world.eventsOf('token.issue-refused')).map(({ reason }) => reason);
  t.deepEqual(reasons, [
    'scope-unknown',
    'elevation-duration-malformed',
    'elevation-duration-malformed',
    'authorization-details-not-supported',
    'resource-not-permitted',
    'scope-beyond-delegation',
    'scope-beyond-envelope',
    'agent-expired',
    'elevation-resource-takes-jwts',
    'needs-approval',
  ]);
});

test('a poll names its code and nothing of the request, and what is wrong with it uses nothing up', async t => {
  const { app, resource, ada, ...world } = await startWireWorld(t);
  const agent = await addKeyAgent(app, ada.person, resource);
  const assertion = presenting(await signAssertion(app, agent));
  const asked = await world.ask(presenting(await signAssertion(app, agent)), { agent });
  t.is(asked.json.error, 'authorization_pending', asked.text);
  for (const name of [
    'completion_mode',
    'scope',
    'resource',
    'reason',
    'duration',
    'authorization_details',
    'subject_token',
  ]) {
    const refused = await world.poll(asked, { agent, form: { ...assertion, [name]: 'deferred' } });
    t.deepEqual([refused.status, refused.json.error], [400, 'invalid_request'], name);
    t.true(refused.json.error_description.includes(`parameter: ${name}`), refused.text);
  }
  const without = await world.poll(asked, { agent, form: { ...assertion, deferral_code: undefined } });
  t.deepEqual([without.status, without.json.error], [400, 'invalid_request']);
  const twice = await app.post(
    '/token',
    `grant_type=${encodeURIComponent(DEFERRED)}&deferral_code=a&deferral_code=b`,
    { basic: agent.basic },
  );
  t.is(twice.json.error, 'invalid_request');
  const waits = await world.poll(asked, { agent, form: assertion });
  t.is(waits.json.error, 'authorization_pending', 'the assertion is as good as before');
  const replayed = await world.poll(asked, { agent, form: assertion });
  t.deepEqual([replayed.status, replayed.json.error], [401, 'invalid_client'], 'and is used up by a poll');
});

whateverTheStore(
  'an assertion is used up by asking, by polling and by withdrawing, whatever comes of it',
  async (t, env) => {
    const { app, resource, ada, ...world } = await startWireWorld(t, { env });
    const agent = await addKeyAgent(app, ada.person, resource);
    const sign = async () => presenting(await signAssertion(app, agent));
    const [ask, poll, cancel] = [await sign(), await sign(), await sign()];
    const asked = await world.ask(ask, { agent });
    t.is(asked.json.error, 'authorization_pending', asked.text);
    t.is((await world.ask(ask, { agent })).json.error, 'invalid_client');
    t.is((await world.elevation(asked)).codes.length, 1, 'no second code comes of it');
    t.is((await world.poll(asked, { agent, form: poll })).json.error, 'authorization_pending');
    t.is((await world.poll(asked, { agent, form: poll })).json.error, 'invalid_client');
    t.is((await world.cancel('cs_dc_'.padEnd(54, 'A'), { agent, form: cancel })).status, 200);
    t.is((await world.cancel(asked, { agent, form: cancel })).status, 401);
    t.is((await world.elevation(asked)).status, 'pending');
    await world.approve(asked);
    const used = await world.poll(asked, { agent, form: poll });
    t.is(used.json.error, 'invalid_client');
    const last = await sign();
    t.is(
      (await world.poll(asked, { agent, form: last })).status,
      200,
      'nothing was spent by what was refused',
    );
    t.is((await world.poll(asked, { agent, form: last })).status, 401);
  },
);

whateverTheStore(
  'a request that proves a key is polled, withdrawn and fetched with that key alone',
  async (t, env) => {
    const { app, clock, ...world } = await startWireWorld(t, { env });
    const [key, other] = [await newProofKey(), await newProofKey()];
    const proving = async (by = key, claims = {}) => ({
      headers: { DPoP: await signProof(app, by, claims) },
    });
    const atRevoke = { htu: `${app.issuer}/revoke` };
    const asked = await world.ask({}, await proving());
    t.is((await world.elevation(asked)).proofKey, key.jkt);
    for (const [what, options] of [
      ['no proof', {}],
      ['another key', await proving(other)],
    ] as const) {
      const refused = await world.poll(asked, options);
      t.deepEqual([refused.status, refused.json.error], [400, 'invalid_dpop_proof'], what);
    }
    t.is((await world.cancel(asked)).json.error, 'invalid_dpop_proof');
    t.is((await world.cancel(asked, await proving(other, atRevoke))).json.error, 'invalid_dpop_proof');
    t.is(
      (await world.cancel(asked, await proving(key))).json.error,
      'invalid_dpop_proof',
      'a proof for elsewhere',
    );
    t.is((await world.elevation(asked)).status, 'pending');
    const proof = await proving();
    t.is((await world.poll(asked, proof)).json.error, 'authorization_pending');
    t.is((await world.poll(asked, proof)).json.error, 'invalid_dpop_proof', 'a proof is good for one poll');
    await world.approve(asked);
    const granted = await world.poll(asked, await proving());
    t.is(granted.json.token_type, 'DPoP', granted.text);
    t.deepEqual((await world.introspect(granted.json.access_token)).cnf, { jkt: key.jkt });

    const plain = await world.ask({ duration: '60' });
    t.is(
      (await world.poll(plain, await proving())).json.error,
      'invalid_dpop_proof',
      'none was proved with this one',
    );
    const bound = await world.ask({ duration: '61' }, await proving());
    t.is((await world.cancel(bound, await proving(key, atRevoke))).status, 200);
    t.is((await world.poll(bound, await proving())).json.error, 'access_denied');
  },
);

test('a nonce that is required is asked for at the poll and at the withdrawal too, before anything is used up', async t => {
  const { app, ...world } = await startWireWorld(t, { env: { COUNTERSIGN_DPOP_NONCES: 'required' } });
  const key = await newProofKey();
  const prove = async (nonce?: string | null, claims = {}) => ({
    headers: { DPoP: await signProof(app, key, { ...claims, ...(nonce && { nonce }) }) },
  });
  const first = await world.ask({}, await prove());
  t.is(first.json.error, 'use_dpop_nonce');
  const asked = await world.ask({}, await prove(first.headers.get('dpop-nonce')));
  t.is(asked.json.error, 'authorization_pending');
  const poll = await world.poll(asked, await prove());
  t.is(poll.json.error, 'use_dpop_nonce');
  t.is(
    (await world.poll(asked, await prove(poll.headers.get('dpop-nonce')))).json.error,
    'authorization_pending',
  );
  const atRevoke = { htu: `${app.issuer}/revoke` };
  const cancel = await world.cancel(asked, await prove(undefined, atRevoke));
  t.is(cancel.json.error, 'use_dpop_nonce');
  t.is((await world.cancel(asked, await prove(cancel.headers.get('dpop-nonce'), atRevoke))).status, 200);
  t.is((await world.elevation(asked)).status, 'cancelled');
});

whateverTheStore(
  'an identical request joins the one that waits: one card, one decision, one token',
  async (t, env) => {
    const { clock, ...world } = await startWireWorld(t, { env });
    const first = await world.ask({ reason: 'the first reason' });
    clock.pass(10_000);
    const second = await world.ask({ reason: 'another one', scope: 'write read' });
    t.is(second.json.binding_code, first.json.binding_code);
    t.not(second.json.deferral_code, first.json.deferral_code);
    t.is(second.json.expires_in, 650, 'which ends with the other');
    t.is((await world.elevation(second)).id, (await world.elevation(first)).id);
    t.not((await world.ask({ duration: '60' })).json.binding_code, first.json.binding_code);
    await world.approve(first);
    t.is((await world.poll(second)).status, 200);
    const late = await world.poll(first);
    t.deepEqual([late.status, late.json.error], [400, 'invalid_grant'], 'one redemption for all');
    t.is((await world.eventsOf('token.issued')).length, 1);
  },
);

whateverTheStore(
  'an agent withdraws by revocation, with the hint and without it, for all who joined',
  async (t, env) => {
    const { app, ...world } = await startWireWorld(t, { env });
    const stranger = await world.addAgent();
    const [first, joined] = [await world.ask(), await world.ask()];
    const before = await world.elevation(first);
    const unknown = `cs_dc_${'A'.repeat(48)}`;
    for (const [what, answer] of [
      ['by another agent', await world.cancel(first, { agent: stranger })],
      ['an unknown one', await world.cancel(unknown, { form: { token_type_hint: DEFERRAL_CODE } })],
      ['no code at all', await world.cancel('nonsense', { form: { token_type_hint: DEFERRAL_CODE } })],
    ] as const) {
      t.deepEqual([answer.status, answer.text], [200, '{}'], what);
    }
    t.deepEqual(await world.elevation(first), before, 'nothing is changed by it');
    const withdrawn = await world.cancel(joined, { form: { token_type_hint: DEFERRAL_CODE } });
    t.deepEqual([withdrawn.status, withdrawn.text], [200, '{}']);
    for (const asked of [first, joined]) {
      const over = await world.poll(asked);
      t.deepEqual([over.status, over.json.error], [400, 'access_denied']);
      t.regex(over.json.error_description, /the request was withdrawn$/);
    }
    t.is((await world.cancel(first)).status, 200, 'once more');
    t.is((await world.eventsOf('elevation.cancelled')).length, 1);

    const approved = await world.ask();
    await world.approve(approved);
    t.is(
      (await world.cancel(approved, { form: { token_type_hint: 'access_token' } })).status,
      200,
      'a wrong hint',
    );
    t.is((await world.poll(approved)).json.error, 'access_denied', 'approved and not fetched: never issued');
    t.deepEqual(await world.eventsOf('token.issued'), []);

    const fetched = await world.ask();
    await world.approve(fetched);
    const token = (await world.poll(fetched)).json.access_token;
    t.is((await world.cancel(fetched)).status, 200);
    t.true((await world.introspect(token)).active, 'what was fetched stays');
    t.is((await world.cancel(token)).status, 200);
    t.deepEqual(await world.introspect(token), { active: false }, 'until it is revoked itself');
  },
);

whateverTheStore('a denial is told at the next poll, in preset words alone', async (t, env) => {
  const world = await startWireWorld(t, { env });
  for (const [reason, words] of [
    ['not-expected', 'the approver did not expect this request'],
    ['too-much', 'the approver finds that this asks for too much'],
    ['not-now', 'the approver does not want this now'],
    ['suspicious', 'the approver finds this request suspicious'],
  ] as const) {
    const asked = await world.ask();
    await world.deny(asked, reason);
    const told = await world.poll(asked);
    t.deepEqual([told.status, told.json.error], [400, 'access_denied']);
    t.is(
      told.json.error_description,
      `The request was not countersigned, and no token will come of it; ${words}`,
    );
  }
  const asked = await world.ask();
  await world.approve(asked);
  await world.deny(asked, 'suspicious');
  t.is((await world.poll(asked)).json.error, 'access_denied', 'deny beats approve');
  t.is((await world.elevation(asked)).status, 'revoked');
});

whateverTheStore(
  'I15: unknown, foreign, expired foreign and redeemed codes look alike to the byte',
  async (t, env) => {
    const { agent, clock, ...world } = await startWireWorld(t, { env });
    const stranger = await world.addAgent();
    const [pending, approved, redeemed, denied] = [
      await world.ask({ duration: '60' }),
      await world.ask({ duration: '61' }),
      await world.ask({ duration: '62' }),
      await world.ask({ duration: '63' }),
    ];
    await world.deny(denied);
    await world.approve(redeemed);
    t.is((await world.poll(redeemed)).status, 200);
    await world.approve(approved);
    const code = approved.json.deferral_code as string;
    const answers = [
      await world.poll(redeemed),
      await world.poll(pending, { agent: stranger }),
      await world.poll(approved, { agent: stranger }),
      await world.poll(denied, { agent: stranger }),
      await world.poll(redeemed, { agent: stranger }),
      await world.poll(`cs_dc_${'A'.repeat(48)}`),
      await world.poll(`${code.slice(0, -1)}${code.endsWith('A') ? 'B' : 'A'}`),
      await world.poll('nonsense'),
      await world.poll(`${code}x`),
      await world.poll('x'.repeat(60_000)),
    ];
    clock.pass(700_000);
    answers.push(await world.poll(pending, { agent: stranger }));
    const [first = '', ...others] = answers.map(alike);
    t.true(first.includes('invalid_grant'));
    for (const other of others) t.is(other, first);
    t.is((await world.poll(pending)).json.error, 'expired_token', 'its own is told');
    t.is((await world.poll(approved)).json.error, 'expired_token', 'approved, and fetched too late');
  },
);

test('the pace of polls: the first is never too fast, each that is lengthens the interval, and again and again is an error', async t => {
  const { clock, ...world } = await startWireWorld(t);
  const asked = await world.ask();
  const poll = async (pass: number, of = asked) => {
    clock.pass(pass);
    return (await world.poll(of)).json.error;
  };
  t.is(await poll(0), 'authorization_pending', 'at once');
  t.is(await poll(5_000), 'authorization_pending');
  t.is(await poll(1_000), 'slow_down');
  t.is(await poll(5_000), 'slow_down', 'it is ten seconds now');
  t.is(await poll(15_000), 'authorization_pending', 'and fifteen, which were kept');
  t.is(await poll(10_000), 'slow_down');
  t.is(await poll(0), 'slow_down');
  t.is(await poll(0), 'slow_down');
  t.is(await poll(0), 'invalid_request');
  t.is(await poll(1_000), 'invalid_request');
  const joined = await world.ask();
  t.is(await poll(0, joined), 'authorization_pending', 'who has a code of their own has a pace of their own');
  t.is(await poll(60_000), 'authorization_pending', 'who waits is answered again');
  await world.approve(asked);
  t.is((await world.poll(joined)).status, 200, 'what is decided is told at once');
});

whateverTheStore(
  'what it rests on ends between ask, approval and fetch: the poll says so, also once that is restored',
  async (t, env) => {
    const { app, ada, ...world } = await startWireWorld(t, { env });
    const own = await world.ask();
    await world.approve(own);
    await killAgent(managed(app), world.agent.id, app.origin());
    t.is((await world.poll(own)).status, 401, 'who is killed proves nothing');
    await restoreAgent(managed(app), world.agent.id, app.origin());
    const told = await world.poll(own);
    t.deepEqual([told.status, told.json.error], [400, 'access_denied'], told.text);
    t.regex(told.json.error_description, /what the request rested on has ended$/);

    const delegation = await world.give();
    const beyond = await world.exchange(delegation);
    await world.approve(beyond);
    await endDelegation(delegationDeps(app), delegation.id, app.origin());
    t.is((await world.poll(beyond)).json.error, 'access_denied');
    t.deepEqual(await world.eventsOf('token.issued'), []);
  },
);

whateverTheStore('what is fetched late gets less, and after its time nothing', async (t, env) => {
  const { clock, ...world } = await startWireWorld(t, { env });
  const asked = await world.ask({ duration: '300' });
  await world.approve(asked);
  clock.pass(250_000);
  t.is((await world.poll(asked)).json.expires_in, 50);
  const other = await world.ask({ duration: '120' });
  await world.approve(other);
  clock.pass(120_000);
  t.is((await world.poll(other)).json.error, 'expired_token');
});

test('I11: a deferral code is in no row, no log line and no record, but as its digest', async t => {
  const logs: string[] = [];
  const { app, ...world } = await startWireWorld(t, { logs });
  const asked = await world.ask();
  await world.poll(asked);
  await world.poll(asked, { form: { scope: asked.json.deferral_code } });
  await world.ask({ scope: `read ${asked.json.deferral_code}` });
  await world.cancel(asked);
  const code: string = asked.json.deferral_code;
  t.false(JSON.stringify(await world.elevation(asked)).includes(code));
  t.false(JSON.stringify(await app.trail()).includes(code));
  t.false(logs.join('').includes(code));
});
