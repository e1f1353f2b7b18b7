/** R137: whatever a row holds, a person sees one line of it, and nothing in it acts on the terminal. */
import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { type AuditEvent, type AuditRow, formatAuditRow } from '../../src/audit/index.ts';
import { visibleText } from '../../src/text/index.ts';
import { SEED } from './real-trail.ts';

const ESCAPE = String.fromCharCode(0x1b);
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

const event: AuditEvent = {
  type: 'token.issued',
  outcome: 'done',
  at: Date.UTC(2030, 0, 31, 12),
  requestId: 'req_1',
  address: '192.0.2.1',
  client: 'agt_1',
  subject: 'usr_1',
  actor: ['agt_1', 'agt_2'],
  resource: 'https://mcp.example/mcp',
  scope: 'read write',
  jti: 'tok_1',
  detail: { expiresAt: 5, isFirst: true, before: null, fields: ['name', 'purpose'] },
};

function row(changes: object = {}): AuditRow {
  return {
    lane: 'lane_1',
    seq: 7,
    body: JSON.stringify({ lane: 'lane_1', seq: 7, event: { ...event, ...changes } }),
    hash: '',
  };
}

/** What a hostile text might be made of. */
const HOSTILE = [
  '\r\n2030-01-31T12:00:00.000Z ✓ agent.retired client=agt_admin',
  `${ESCAPE}[2K${ESCAPE}[1A`,
  `${ESCAPE}]0;title\u0007`,
  '\u009b31m',
  '\u202e\u2066gnp.exe\u2069',
  '\u200b\u200d\ufeff',
  '\u2028\u2029',
  '\u0000',
  '"},"event":{"type":"agent.retired"',
  '" outcome=done "',
  '\ufff9\u0600',
  '\ud800',
  '\u{e0041}',
  '\b\b\b\b',
  '\t\v\f',
  '\u0085',
  'a=b c=d',
  '\\u{1b}[31m',
];
const anyHostile = fc.array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary' })), {
  maxLength: 4,
});

/** The column of types is as wide as the longest of them. */
const narrow = (line: string) => line.replace(/ {2,}/g, ' ');

test('a row is one line: when, whether, what, by whom, for what', t => {
  t.is(
    narrow(formatAuditRow(row())),
    '2030-01-31T12:00:00.000Z ✓ token.issued client=agt_1 for=usr_1 actors=agt_1,agt_2 ' +
      'resource=https://mcp.example/mcp scope="read write" jti=tok_1 expiresAt=5 isFirst=true before=null ' +
      'fields=name,purpose 192.0.2.1 req_1',
  );
  t.is(
    narrow(
      formatAuditRow(
        row({
          type: 'client.authentication-refused',
          outcome: 'refused',
          reason: 'wrong-secret',
          count: 5,
          detail: undefined,
        }),
      ),
    ),
    '2030-01-31T12:00:00.000Z ✗ client.authentication-refused wrong-secret claims-client=agt_1 for=usr_1 actors=agt_1,agt_2 ' +
      'resource=https://mcp.example/mcp scope="read write" jti=tok_1 count=5 192.0.2.1 req_1',
  );
});

test('colours are the only escapes, and only where they are wanted', t => {
  t.false(formatAuditRow(row()).includes(ESCAPE));
  const coloured = formatAuditRow(row(), true);
  t.true(coloured.includes(ESCAPE));
  t.is(stripVTControlCharacters(coloured), formatAuditRow(row()));
});

test('R137: line ends, terminal escapes, bidi and invisible characters in any member are shown as codes, on one line', t => {
  const members = [
    'type',
    'reason',
    'requestId',
    'address',
    'client',
    'subject',
    'resource',
    'target',
    'scope',
    'jti',
  ];
  for (const text of HOSTILE) {
    for (const member of [...members, 'outcome', 'at', 'count']) {
      const line = formatAuditRow(row({ [member]: text }));
      t.notRegex(line, UNSEEN, `${member}: ${JSON.stringify(text)}`);
    }
    for (const changes of [
      { actor: [text] },
      { detail: { name: text } },
      { detail: { [text]: 'x' } },
      { detail: { fields: [text] } },
    ]) {
      t.notRegex(formatAuditRow(row(changes)), UNSEEN, JSON.stringify(changes));
    }
  }
  t.true(formatAuditRow(row({ client: 'a\u202eb' })).includes('client=a\\u{202e}b'));
});

test('R137: no value can pretend to be another member of the line', t => {
  for (const text of [
    'x for=usr_2',
    'x"for=usr_2',
    'x=y',
    '" for=usr_2 "',
    'x\u00a0for=usr_2',
    'x\u3000for=usr_2',
    'x\tfor=usr_2',
  ]) {
    const line = formatAuditRow(row({ client: text, subject: 'usr_1' }));
    const withoutQuoted = line.replace(/"(?:[^"\\]|\\.)*"/g, '""');
    t.regex(withoutQuoted, /client="" for=usr_1 /, line);
    t.is(withoutQuoted.split('for=').length, 2, line);
  }
  t.true(formatAuditRow(row({ client: 'a"b' })).includes('client="a\\"b" '));
});

test('whatever is stored as a row, formatting gives one line and never throws', t => {
  const anyBody = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.jsonValue({ maxDepth: 4 }).map(value => JSON.stringify({ event: value })),
    fc.json(),
    fc
      .dictionary(
        fc.constantFrom(...Object.keys(event), 'reason', 'target', 'count'),
        fc.oneof(
          fc.jsonValue({ maxDepth: 3 }),
          anyHostile.map(parts => parts.join('')),
        ),
      )
      .map(members => JSON.stringify({ event: { ...event, ...members } })),
  );
  fc.assert(
    fc.property(anyBody, fc.string({ unit: 'binary' }), fc.integer(), (body, lane, seq) => {
      const line = formatAuditRow({ lane, seq, body, hash: '' });
      t.notRegex(line, UNSEEN);
      t.true(line.length > 0);
    }),
    { numRuns: 1_000, seed: SEED },
  );
});

test('visible text keeps what can be seen as it is', t => {
  for (const text of ['plain', 'Zoë', '日本語', 'مرحبا', '🔒', 'a\\u{1b}b']) t.is(visibleText(text), text);
  t.is(visibleText('a\u001b[31mb\r\n'), 'a\\u{1b}[31mb\\u{d}\\u{a}');
  t.is(visibleText('\ud800'), '\\u{d800}');
  t.is(visibleText('\u{e0041}'), '\\u{e0041}');
});
