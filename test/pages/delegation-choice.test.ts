import test from 'ava';
import { choiceAddress, endOfChoice, readAgentText, readChoice } from '../../src/pages/delegation-choice.ts';

const NOW = Date.parse('2026-01-31T22:15:42.123Z');
const end = (
  until: 'today' | '1d' | '7d' | '30d' | 'date' | undefined,
  date?: string,
): string | undefined => {
  const at = endOfChoice({ agentId: 'agt_', scopes: [], until, date }, NOW);
  return at === undefined ? undefined : new Date(at).toISOString();
};

test('an end is a whole minute: of today, of a named day its last, or a span from now', t => {
  t.is(end('today'), '2026-01-31T23:59:00.000Z');
  t.is(end('1d'), '2026-02-01T22:15:00.000Z');
  t.is(end('7d'), '2026-02-07T22:15:00.000Z');
  t.is(end('30d'), '2026-03-02T22:15:00.000Z');
  t.is(end('date', '2026-02-28'), '2026-02-28T23:59:00.000Z');
});

test('no day that there is not, no day beside a span, and nothing chosen, is an end', t => {
  for (const date of ['2026-02-30', '2026-02-29', '2026-13-01', '2026-2-1', '28.02.2026', '']) {
    t.is(end('date', date), undefined, date);
  }
  t.is(end('date'), undefined);
  t.is(end('7d', '2026-02-28'), undefined);
  t.is(end(undefined), undefined);
});

test('a choice comes back from its own address as it was, whatever is in it', t => {
  const choice = {
    agentId: `agt_${'a'.repeat(32)}`,
    resource: 'https://x.example/a?b=c&d=%20',
    scopes: ['orders:read', 'a/b&c'],
    until: 'date',
    date: '2026-02-28',
  } as const;
  const { searchParams } = new URL(choiceAddress(choice), 'https://auth.example');
  t.deepEqual(
    readChoice(name => searchParams.get(name) ?? undefined),
    choice,
  );
});

test('an agent is meant by its identifier, or by a link to this very page', t => {
  const page = new URL('https://auth.example/tenant/me/delegations/new');
  const id = `agt_${'a'.repeat(32)}`;
  t.is(readAgentText(`\n ${id} `, page)?.agentId, id);
  t.deepEqual(readAgentText(`${page}?agent=${id}&scope=a%20b`, page)?.scopes, ['a', 'b']);
  const none = [
    '',
    'agt_1',
    `${page}`,
    `${page}?agent=x`,
    `https://auth.example/me/delegations/new?agent=${id}`,
    `javascript:${id}`,
  ];
  for (const text of none) t.is(readAgentText(text, page), undefined, text);
});
