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

const AUTHORITY = { lineage: 'agt_1:0', expiresAt: 4, own: ['agt_1'] };
const PUT: Change = {
  kind: 'engine-put',
  record: { model: 'Grant', key: 'key', payload: '{}', expiresAt: 5 },
};

test('a batch arrives as it was sent: tokens, other changes, events, authority, and units without', t => {
  const units = [
    { changes: [CUTOFF, TOKEN], events: [EVENT] },
    { changes: [], events: [EVENT, { ...EVENT, at: 2 }] },
    { changes: [TOKEN], events: [] },
    { changes: [PUT], events: [EVENT], authority: AUTHORITY },
    { changes: [], events: [] },
  ];
  // Where nobody's is needed, none has to cross.
  const none = { changes: [PUT], events: [], authority: { none: 'boot' } } as const;
  const arrived = unflatten(structuredClone(flatten([...units, none], canonicalEvent)));
  t.deepEqual(
    arrived,
    [...units, { changes: none.changes, events: none.events }].map(unit => ({
      ...unit,
      events: unit.events.map(canonicalEvent),
    })),
  );
});
