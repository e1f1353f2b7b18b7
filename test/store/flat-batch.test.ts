import test from 'ava';
import { canonicalEvent } from '../../src/audit/index.ts';
import { flatten, unflatten } from '../../src/store/sqlite/flat-batch.ts';
import type { Change } from '../../src/store/store.ts';

const TOKEN: Change = {
  kind: 'insert-token',
  token: {
    jti: 'tok_1',
    clientId: 'agt_1',
    resourceId: 'res_1',
    issuedAt: 1,
    expiresAt: 2,
    lineage: 'agt_1:0',
    answer: '{"active":true}',
  },
};
const CUTOFF: Change = { kind: 'cut-off', id: 'agt_1', epoch: 1, forgetAt: 3 };
const EVENT = { type: 'token.issued', outcome: 'done', at: 1, requestId: 'req_1', client: 'agt_1' } as const;

test('a batch arrives as it was sent: tokens, other changes, events, and units without either', t => {
  const units = [
    { changes: [CUTOFF, TOKEN], events: [EVENT] },
    { changes: [], events: [EVENT, { ...EVENT, at: 2 }] },
    { changes: [TOKEN], events: [] },
    { changes: [], events: [] },
  ];
  const arrived = unflatten(structuredClone(flatten(units)));
  t.deepEqual(
    arrived,
    units.map(({ changes, events }) => ({ changes, events: events.map(canonicalEvent) })),
  );
});
