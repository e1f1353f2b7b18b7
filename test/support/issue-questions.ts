/** Questions as the decision to issue a token may meet them, at random. */

import fc from 'fast-check';
import type { Agent } from '../../src/agents/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { lineageOf } from '../../src/liveness.ts';
import type { Person } from '../../src/people/index.ts';
import type { Resource } from '../../src/resources/index.ts';
import type { IssueQuestion, Standing } from '../../src/tokens/index.ts';

export const NOW = 1_800_000_000_000;
export const SCOPES = ['read', 'write', 'delete', 'admin'] as const;
export const RESOURCES = ['https://a.example/mcp', 'https://b.example/mcp'] as const;

const record = { version: 1, createdAt: 0, updatedAt: 0 };
/** Mostly the good value: a question needs many of them at once before a token comes of it. */
const mostly = <T>(good: T, ...others: T[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(good) },
    ...others.map(other => ({ weight: 1, arbitrary: fc.constant(other) })),
  );
const anyScopes: fc.Arbitrary<(typeof SCOPES)[number][]> = fc.oneof(
  fc.constant<(typeof SCOPES)[number][]>([...SCOPES]),
  fc.subarray([...SCOPES]),
);
const anyGrant = fc.oneof(
  fc.tuple(...RESOURCES.map(resource => fc.record({ resource: fc.constant(resource), scopes: anyScopes }))),
  fc.uniqueArray(fc.record({ resource: mostly<string>(...RESOURCES), scopes: anyScopes }), {
    selector: entry => entry.resource,
  }),
);
const anySeconds = fc.integer({ min: 30, max: 3_600 });

export const anyResource: fc.Arbitrary<Resource> = fc
  .record({
    identifier: mostly<string>(...RESOURCES),
    scopes: anyScopes,
    isJwt: fc.boolean(),
    ttl: anySeconds,
    status: mostly<'active' | 'disabled'>('active', 'disabled'),
    epoch: fc.nat({ max: 3 }),
  })
  .map(({ identifier, scopes, isJwt, ttl, status, epoch }) => ({
    ...record,
    id: 'res_1',
    identifier,
    name: 'a resource',
    scopes: scopes.map(name => ({ name, sentence: name, risk: 'low' })),
    tokenFormat: isJwt ? { kind: 'jwt', alg: 'ES256' } : { kind: 'opaque' },
    accessTokenTtlSeconds: ttl,
    status,
    epoch,
    credential: { method: 'client_secret', secretDigests: [] },
  }));

export const anyAgent: fc.Arbitrary<Agent> = fc
  .record(
    {
      status: mostly<Agent['status']>('active', 'suspended', 'retired'),
      envelope: anyGrant,
      baseline: anyGrant,
      epoch: fc.nat({ max: 3 }),
      expiresAt: fc.integer({ min: NOW - 5_000, max: NOW + 400_000 }),
      accessTokenTtlSeconds: anySeconds,
      defaultResource: fc.constantFrom(...RESOURCES),
      dpop: fc.constant('required' as const),
    },
    { requiredKeys: ['status', 'envelope', 'baseline', 'epoch'] },
  )
  .map(fields => ({
    ...record,
    ...fields,
    id: 'agt_1',
    name: 'an agent',
    ownerId: 'usr_1',
    credential: { method: 'client_secret', secretDigests: [] },
  }));

export const anyOwner: fc.Arbitrary<Person> = fc
  .record({ status: mostly<'active' | 'disabled'>('active', 'disabled'), epoch: fc.nat({ max: 3 }) })
  .map(fields => ({ ...record, ...fields, id: 'usr_1', name: 'an owner', roles: [] }));

export const anyQuestion: fc.Arbitrary<IssueQuestion> = fc.record({
  agent: anyAgent,
  owner: fc.option(anyOwner, { nil: undefined, freq: 9 }),
  requestedResource: fc.option(fc.constantFrom(...RESOURCES, 'https://unknown.example'), { nil: undefined }),
  resource: fc.option(anyResource, { nil: undefined, freq: 9 }),
  requestedScope: fc.option(
    fc.oneof(
      { weight: 4, arbitrary: fc.subarray([...SCOPES], { minLength: 1 }).map(scopes => scopes.join(' ')) },
      {
        weight: 1,
        arbitrary: fc.shuffledSubarray([...SCOPES, 'unheard-of']).map(scopes => scopes.join(' ')),
      },
      { weight: 1, arbitrary: fc.constantFrom('', ' ', 'read  write', 'read\t', 'read "') },
    ),
    { nil: undefined },
  ),
  maxTtlSeconds: anySeconds,
  deploymentEpoch: fc.nat({ max: 3 }),
  signingKey: fc.option(fc.constant({ id: 'key_1', epoch: 0 }), { nil: undefined }),
  proofKey: mostly<string | undefined>('a thumbprint', undefined),
  moment: fc.constant(certainMoment(NOW)),
});

const someScopes = fc.oneof(fc.constant<string[]>([...SCOPES]), fc.subarray<string>([...SCOPES]));

const anyStanding: fc.Arbitrary<Standing> = fc.record({
  id: fc.constant('dlg_1'),
  status: mostly<Standing['status']>('active', 'suspended', 'expired', 'ended'),
  agentId: mostly('agt_1', 'agt_2'),
  mayActNext: mostly(['agt_1'], ['agt_3'], []),
  resourceId: mostly('res_1', 'res_2'),
  resource: mostly<string>(...RESOURCES),
  scopes: someScopes,
  expiresAt: fc.integer({ min: NOW - 2_000, max: NOW + 400_000 }),
  token: fc.option(
    fc.record({
      actors: mostly(
        ['agt_1'],
        ['agt_1', 'agt_2'],
        ['agt_2'],
        ['agt_2', 'agt_1'],
        ['agt_2', 'agt_3', 'agt_4'],
        ['agt_2', 'agt_3', 'agt_4', 'agt_5'],
      ),
      resourceId: mostly('res_1', 'res_2'),
      scopes: someScopes,
      expiresAt: fc.integer({ min: NOW / 1_000 + 1, max: NOW / 1_000 + 400 }),
      lineage: fc.constant(lineageOf(['tok_1:0', 'agt_2:4', 'agt_1:1'])),
      boundTo: mostly<string | undefined>(undefined, 'a thumbprint', 'another one'),
    }),
    { nil: undefined },
  ),
  actorToken: fc.option(
    fc.record({
      expiresAt: fc.integer({ min: NOW / 1_000 + 1, max: NOW / 1_000 + 400 }),
      lineage: fc.constant(lineageOf(['tok_2:0', 'agt_1:1'])),
      boundTo: mostly<string | undefined>(undefined, 'a thumbprint', 'another one'),
    }),
    { nil: undefined },
  ),
});

const risky: fc.Arbitrary<Resource> = fc
  .tuple(anyResource, mostly<string[]>([], ['read'], ['write', 'delete']))
  .map(([resource, high]) => ({
    ...resource,
    scopes: resource.scopes.map(scope => ({
      ...scope,
      risk: high.includes(scope.name) ? 'high' : 'low',
    })),
  }));

/** Questions under a person's standing permission. */
export const delegatedQuestion: fc.Arbitrary<IssueQuestion & { readonly standing: Standing }> = fc
  .tuple(anyQuestion, anyStanding, risky, anyOwner)
  .map(([question, standing, resource, owner]) => ({
    ...question,
    resource,
    owner: { ...owner, status: 'active' },
    standing,
    delegation: { subject: 'usr_2', lineage: ['usr_2:7', 'dlg_1:3'], standing },
  }));
