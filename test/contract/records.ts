/** Records, tokens and events as the contract's tests need them: valid, and different from one another. */
import type { Agent } from '../../src/agents/index.ts';
import type { AuditEvent } from '../../src/audit/index.ts';
import type { Delegation } from '../../src/delegation/index.ts';
import type { Elevation } from '../../src/elevation/index.ts';
import { newId } from '../../src/ids.ts';
import type { SigningKey } from '../../src/keys/index.ts';
import { handle, lineageOf } from '../../src/liveness.ts';
import { credentialIdOf, type Person, type PersonCredential } from '../../src/people/index.ts';
import { NO_ATTEMPTS } from '../../src/people/person-credential.ts';
import type { Resource } from '../../src/resources/index.ts';
import type { Change } from '../../src/store/store.ts';
import { newOpaqueToken } from '../../src/tokens/access-token-value.ts';
import type { TokenRecord } from '../../src/tokens/index.ts';

const managed = (): { version: number; epoch: number; createdAt: number; updatedAt: number } => ({
  version: 1,
  epoch: 0,
  createdAt: Date.now(),
  updatedAt: Date.now(),
});

const credential = { method: 'client_secret', secretDigests: ['digest'] } as const;

export function agentRecord(overrides: Partial<Agent> = {}): Agent {
  return {
    id: newId('agt', Date.now()),
    ...managed(),
    name: 'An agent',
    ownerId: 'usr_1',
    status: 'active',
    envelope: [{ resource: 'https://a.example/mcp', scopes: ['read', 'write'] }],
    baseline: [],
    credential,
    ...overrides,
  };
}

export function personRecord(overrides: Partial<Person> = {}): Person {
  return {
    id: newId('usr', Date.now()),
    ...managed(),
    name: 'A person',
    roles: ['member'],
    status: 'active',
    ...overrides,
  };
}

export function resourceRecord(overrides: Partial<Resource> = {}): Resource {
  const id = newId('res', Date.now());
  return {
    id,
    ...managed(),
    identifier: `https://${id.replace('_', '-')}.example/mcp`,
    name: 'A resource server',
    scopes: [{ name: 'read', sentence: 'Read', risk: 'low' }],
    tokenFormat: { kind: 'opaque' },
    accessTokenTtlSeconds: 300,
    status: 'active',
    credential,
    ...overrides,
  };
}

/** Of nobody in particular: two of them are of different people. */
export function delegationRecord(overrides: Partial<Delegation> = {}): Delegation {
  return {
    id: newId('dlg', Date.now()),
    ...managed(),
    personId: newId('usr', Date.now()),
    agentId: 'agt_1',
    resourceId: 'res_1',
    resource: 'https://a.example/mcp',
    scopes: ['read'],
    expiresAt: Date.now() + 3_600_000,
    mayActNext: [],
    status: 'active',
    ...overrides,
  };
}

export function elevationRecord(overrides: Partial<Elevation> = {}): Elevation {
  const now = Date.now();
  const id = newId('elv', now);
  return {
    id,
    ...managed(),
    status: 'pending',
    clientId: 'agt_1',
    agentId: 'agt_1',
    ownerId: 'usr_1',
    subject: 'agt_1',
    actors: [],
    approverId: 'usr_1',
    resourceId: 'res_1',
    resource: 'https://a.example/mcp',
    scopes: ['read', 'write'],
    beyond: ['write'],
    seconds: 300,
    reason: 'because',
    bindingCode: 'ABCD-2345',
    decideBy: now + 600_000,
    askDigest: id,
    codes: ['a digest'],
    lineage: `${id}:0 agt_1:0 usr_1:0 res_1:0`,
    ...overrides,
  };
}

export function keyRecord(overrides: Partial<SigningKey> = {}): SigningKey {
  return {
    id: newId('key', Date.now()),
    ...managed(),
    alg: 'ES256',
    status: 'active',
    publicJwk: { kty: 'EC' },
    sealedPrivateKey: 'sealed',
    ...overrides,
  };
}

/** A token of five minutes that descends from an agent, at the epoch given. */
export function tokenRecord(
  overrides: Partial<TokenRecord> = {},
  agent: { readonly id: string; readonly epoch: number } = { id: 'agt_1', epoch: 0 },
): TokenRecord {
  const issuedAt = overrides.issuedAt ?? Math.floor(Date.now() / 1000);
  const { jti } = newOpaqueToken(issuedAt * 1000);
  return {
    jti,
    clientId: agent.id,
    resourceId: 'res_1',
    issuedAt,
    expiresAt: issuedAt + 300,
    lineage: lineageOf([handle(jti, 0), handle(agent.id, agent.epoch)]),
    answer: '{"active":true}',
    ...overrides,
  };
}

export function event(overrides: Partial<AuditEvent> = {}): AuditEvent {
  return { type: 'token.issued', outcome: 'done', at: Date.now(), requestId: 'req_1', ...overrides };
}

/** Changes of one kind. */
export type ChangeOf<Kind extends Change['kind']> = Extract<Change, { readonly kind: Kind }>;

/** What tests of a store put into it, whoever could have. */
export const SET_UP = { none: 'boot' } as const;

export function insertToken(token: TokenRecord): ChangeOf<'insert-token'> {
  return { kind: 'insert-token', token };
}

export function useOnce(value: string, expiresAt = Date.now() + 300_000): ChangeOf<'use-once'> {
  return { kind: 'use-once', value, usableFrom: Date.now(), expiresAt };
}

export function cutOff(id: string, epoch = 1, forgetAt = Date.now() + 600_000): ChangeOf<'cut-off'> {
  return { kind: 'cut-off', id, epoch, forgetAt };
}

export function credentialRecord(personId: `usr_${string}`): PersonCredential {
  return {
    id: credentialIdOf(personId),
    version: 1,
    epoch: 0,
    createdAt: Date.now(),
    updatedAt: Date.now(),
    personId,
    password: '$argon2id$v=19$…',
    totp: { sealedSeed: 'sealed', lastStep: 7, since: 1 },
    passkeys: [],
    attempts: NO_ATTEMPTS,
    vouchedBy: [],
  };
}
