/** What is shown, and what stands for it. */
import { hash } from 'node:crypto';
import test from 'ava';
import { digestOfShown, narrowSeconds, showElevation } from '../../src/elevation/index.ts';
import {
  agentRecord,
  delegationRecord,
  elevationRecord,
  personRecord,
  resourceRecord,
} from '../contract/records.ts';
import { whateverTheStore } from '../support/stores.ts';
import { startElevationWorld } from './elevation-world.ts';

const resource = resourceRecord({
  identifier: 'https://orders.example/mcp',
  name: 'Orders',
  scopes: [
    { name: 'read', sentence: 'Read orders', risk: 'low' },
    { name: 'refund', sentence: 'Pay back', risk: 'high' },
  ],
});
const envelope = [{ resource: resource.identifier, scopes: ['read', 'refund'] }];
const agent = agentRecord({ name: 'Shop agent', envelope, baseline: [] });
const [owner, person] = [personRecord({ name: 'Olga' }), personRecord({ name: 'Alice' })];
const delegation = delegationRecord({ scopes: ['read'], resource: resource.identifier });
const elevation = elevationRecord({ scopes: ['read', 'refund'], reason: 'order 7' });
const records = { agent, owner, actors: [agent], person, delegation, resource };

test('I4: the digest is SHA-256, base64url, of the canonical JSON of what is shown (RFC 8785)', t => {
  const shown = showElevation(elevation, records);
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .toSorted(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, member]) => [name, sorted(member)]),
          )
        : value;
  t.is(digestOfShown(shown), hash('sha256', JSON.stringify(sorted(shown)), 'base64url'));
  t.is(
    digestOfShown(showElevation(structuredClone(elevation), structuredClone(records))),
    digestOfShown(shown),
  );
});

test('I4: whatever changes of what is shown changes the digest, and nothing else does', t => {
  const digest = digestOfShown(showElevation(elevation, records));
  const renamed = (name: string) => ({
    ...resource,
    scopes: resource.scopes.map(each => ({ ...each, sentence: name })),
  });
  const risky = { ...resource, scopes: resource.scopes.map(each => ({ ...each, risk: 'medium' as const })) };
  const changed = {
    'name of the agent': digestOfShown(
      showElevation(elevation, { ...records, agent: { ...agent, name: 'X' } }),
    ),
    'name of the owner': digestOfShown(
      showElevation(elevation, { ...records, owner: { ...owner, name: 'X' } }),
    ),
    owner: digestOfShown(showElevation(elevation, { ...records, owner: { ...owner, id: 'usr_9' } })),
    'name of the person': digestOfShown(
      showElevation(elevation, { ...records, person: { ...person, name: 'X' } }),
    ),
    'chain of actors': digestOfShown(
      showElevation(elevation, { ...records, actors: [agent, agentRecord()] }),
    ),
    'end of the delegation': digestOfShown(
      showElevation(elevation, {
        ...records,
        delegation: { ...delegation, expiresAt: delegation.expiresAt + 1 },
      }),
    ),
    'what it has already': digestOfShown(
      showElevation(elevation, { ...records, delegation: { ...delegation, scopes: [] } }),
    ),
    'name of the resource server': digestOfShown(
      showElevation(elevation, { ...records, resource: { ...resource, name: 'X' } }),
    ),
    'sentence of a scope': digestOfShown(
      showElevation(elevation, { ...records, resource: renamed('Anything') }),
    ),
    'risk of a scope': digestOfShown(showElevation(elevation, { ...records, resource: risky })),
    scopes: digestOfShown(showElevation({ ...elevation, scopes: ['refund'] }, records)),
    seconds: digestOfShown(showElevation({ ...elevation, seconds: 1 }, records)),
    instant: digestOfShown(showElevation({ ...elevation, decideBy: elevation.decideBy + 1 }, records)),
    reason: digestOfShown(showElevation({ ...elevation, reason: 'order 8' }, records)),
    'binding code': digestOfShown(showElevation({ ...elevation, bindingCode: 'AAAA-AAAA' }, records)),
    identifier: digestOfShown(showElevation({ ...elevation, id: 'elv_2' }, records)),
  };
  const digests = [digest, ...Object.values(changed)];
  t.is(new Set(digests).size, digests.length, JSON.stringify(changed, undefined, 1));
  const unseen = { ...agent, version: 7, updatedAt: 7, purpose: 'unseen' };
  t.is(
    digestOfShown(
      showElevation({ ...elevation, version: 9, codes: ['another'] }, { ...records, agent: unseen }),
    ),
    digest,
  );
});

test('what is asked is narrowed to 900 s, and to the end of what it rests on', t => {
  const now = 1_000_000;
  const end = (seconds: number) => now / 1_000 + seconds;
  t.is(narrowSeconds(undefined, Number.POSITIVE_INFINITY, now), 900);
  t.is(narrowSeconds(60, Number.POSITIVE_INFINITY, now), 60);
  t.is(narrowSeconds(901, Number.POSITIVE_INFINITY, now), 900);
  t.is(narrowSeconds(600, end(120), now), 120);
  t.is(narrowSeconds(undefined, end(0), now), 0);
});

const HOSTILE: Readonly<Record<string, string>> = {
  html: '<script>alert(1)</script><img src=x onerror=alert(1)>',
  'bidirectional overrides': 'pay \u202e100000\u202c to me \u2066x\u2069',
  'zero-width': 'de\u200bl\u200dete\ufeff all',
  ansi: '\u001b[2J\u001b[31mred\u001b[0m\u0007',
  'line ends': '\n'.repeat(10_000),
  nul: 'a\u0000b\u0000',
  tags: 'a\u{e0041}\u{e0042}b',
  '100 kB': 'Z'.repeat(50) + ' very long '.repeat(10_000),
  'lone surrogates': 'a\ud800b\udc00',
  'a secret': `token cs_at_${'aB3'.repeat(20)}`,
};

whateverTheStore(
  'I17, R079: a hostile reason is kept as one short line of plain text, and as nothing else',
  async (t, env) => {
    const world = await startElevationWorld(t, env);
    for (const [index, [what, reason]] of Object.entries(HOSTILE).entries()) {
      const { elevation: made } = await world.ask({ reason, duration: String(60 + index) });
      t.true(made.reason.length <= 500, what);
      t.notRegex(made.reason, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u, what);
      t.false(made.reason.includes('aB3aB3aB3'), what);
      t.true(made.reason.isWellFormed(), what);
      const { shown } = await world.display(made.id);
      t.is(shown?.reason, made.reason, 'as it is shown');
    }
    t.is((await world.ask()).elevation.reason, '');
  },
);
