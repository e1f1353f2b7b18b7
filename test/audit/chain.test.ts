import test from 'ava';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { type AuditEvent, chainEvent, emptyLane } from '../../src/audit/index.ts';

const text = fc.string({ unit: 'grapheme' });
const detail = fc.dictionary(
  text.filter(name => name !== '__proto__'),
  fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.array(text),
  ),
);
const events = fc
  .record(
    {
      at: fc.nat(),
      requestId: text,
      client: text,
      actor: fc.array(text),
      scope: text,
      count: fc.nat(),
      detail,
    },
    { requiredKeys: ['at', 'requestId'] },
  )
  .map((event): AuditEvent => ({ ...event, type: 'token.issued', outcome: 'done' }));

test('RFC 8785: the body of a row is canonical JSON, whatever the event holds', t => {
  fc.assert(
    fc.property(events, text, (event, lane) => {
      const head = { ...emptyLane(lane), seq: 7 };
      t.is(chainEvent(head, event).body, canonicalize({ lane, seq: 8, event }) as string);
    }),
    { numRuns: 500 },
  );
});
