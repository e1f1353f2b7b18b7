import test from 'ava';
import { PollPace } from '../../src/elevation/poll-pace.ts';
import { RateLimit } from '../../src/limits/rate-limit.ts';

const NOW = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

test('I16: ten seconds of requests may come at once, and each second brings as many as it may', t => {
  const limit = new RateLimit(2);
  for (let taken = 0; taken < 20; taken += 1) t.is(limit.take('caller', NOW), 0);
  t.is(limit.take('caller', NOW), 1);
  t.is(limit.take('another', NOW), 0);
  t.is(limit.take('caller', NOW + 500), 0);
  t.is(limit.take('caller', NOW + 500), 1);
});

test('I18: nobody has to wait because a clock that was ahead was put right', t => {
  const limit = new RateLimit(2);
  t.is(limit.take('caller', NOW + HOUR_MS), 0);
  t.is(limit.take('caller', NOW), 0);

  const pace = new PollPace();
  const first = pace.note('code', NOW + HOUR_MS);
  t.deepEqual(pace.note('code', NOW), first);
});
