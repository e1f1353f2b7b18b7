/** I1, I4, I6 in every state that an elevation can come to, and that each guard is what holds them. */
import test from 'ava';
import { explore, TAKEN_OUT } from './model.ts';

/** What may happen around it on one way; the full size is in the proofs. */
const EVENTS = 2;

test('I1, I4, I6: hold in every state that two sessions in two processes can bring an elevation to', t => {
  const { states, steps, statuses, broken } = explore({ events: EVENTS });
  t.is(broken, undefined, broken && `${broken.invariant}: ${broken.path.join(' → ')}`);
  t.log(`${states} states, ${steps} steps`);
  t.deepEqual(
    [...statuses].toSorted(),
    ['approved', 'cancelled', 'denied', 'expired', 'pending', 'redeemed', 'revoked'],
    'all of them are reached',
  );
});

for (const without of TAKEN_OUT) {
  test(`without ${without}, one of them is broken`, t => {
    const { broken, states } = explore({ events: EVENTS, without });
    t.truthy(broken, `${states} states hold all of it: nothing needs this`);
    t.log(`${broken?.invariant}: ${broken?.path.join(' → ')}`);
  });
}
