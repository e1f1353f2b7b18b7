import test from 'ava';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { type AuditEvent, canonicalEvent, emptyLane } from '../../src/audit/index.ts';
import { chained } from '../support/chained.ts';

const text = fc.string({ unit: 'grapheme' });
/** Any text, and what is written as something else. */
const value = fc.oneof(
  text,
  fc.constantFrom('\\ud800', ':null', '"', '\u0000', '\u2028', '😀'),
  fc.string({ unit: 'binary' }),
);
const detail = fc.dictionary(
  fc.oneof(
    fc.constantFrom('a', 'b', 'c', '1', '10', '9', '!'),
    text.filter(name => name !== '__proto__'),
  ),
  fc.oneof(
    value,
    fc.constant(null),
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
      reason: value,
      address: text,
      client: value,
      subject: text,
      actor: fc.array(value),
      resource: text,
      target: text,
      jti: text,
      scope: value,
      count: fc.nat(),
      detail,
    },
    { requiredKeys: ['at', 'requestId'] },
  )
  .map((event): AuditEvent => ({ ...event, type: 'token.issued', outcome: 'done' }));

const PLAIN: AuditEvent = { type: 'token.issued', outcome: 'done', at: 1, requestId: 'req_1' };

test('RFC 8785: the body of a row is canonical JSON, whatever the event holds', t => {
  fc.assert(
    fc.property(events, text, (event, lane) => {
      const head = { ...emptyLane(lane), seq: 7 };
      t.is(chained(head, event).body, canonicalize({ lane, seq: 8, event }) as string);
    }),
    { numRuns: 500 },
  );
});

test('RFC 8785: what has no canonical JSON is refused as the library refuses it, wherever it stands in an event', t => {
  const half = '\ud83d';
  for (const event of [
    { ...PLAIN, client: half },
    { ...PLAIN, actor: ['agt_1', half] },
    { ...PLAIN, detail: { grant: half } },
    { ...PLAIN, detail: { b: 'in another order', a: half } },
    { ...PLAIN, detail: { [half]: 'a name' } },
  ]) {
    t.throws(() => canonicalEvent(event), { message: 'Lone surrogate is not allowed' });
  }
  t.throws(() => canonicalEvent({ ...PLAIN, at: Number.NaN }), { message: 'NaN is not allowed' });
  t.throws(() => canonicalEvent({ ...PLAIN, detail: { left: Number.POSITIVE_INFINITY } }), {
    message: 'Infinity is not allowed',
  });
});
