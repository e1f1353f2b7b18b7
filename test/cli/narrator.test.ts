import test from 'ava';
import { claim, Narrator, StepFailed } from '../../src/cli/demo/narrator.ts';

/** More than any step takes. */
const A_WHILE_MS = 900_000;

function listen(useColour = false, stepTimeoutMs = A_WHILE_MS): { narrator: Narrator; lines: string[] } {
  const lines: string[] = [];
  const narrator = new Narrator({ print: line => lines.push(line), useColour, stepTimeoutMs });
  return { narrator, lines };
}

test('a step whose claims hold is told with its number and a tick', async t => {
  const { narrator, lines } = listen();
  await narrator.step('It rains', async tell => {
    claim(true, 'it does not');
    tell.fact('where', 'in the north, and later in the west, and then in the east, and at last everywhere');
  });
  t.deepEqual(lines, [
    '',
    ' 1 ✔ It rains',
    '      where      in the north, and later in the west, and then in the east, and',
    '                 at last everywhere',
  ]);
});

test('a step whose claim does not hold ends the story, named, with the reason and what was told before', async t => {
  const { narrator, lines } = listen();
  const step = narrator.step('It rains', async tell => {
    tell.line('looking up');
    claim(false, 'the sun shines');
  });
  const error = await t.throwsAsync(step, { instanceOf: StepFailed });
  t.is(error?.message, 'step 1, "It rains": the sun shines');
  t.deepEqual(lines, ['', ' 1 ✘ It rains', '      looking up', '      the sun shines']);
});

test('a step that does not end fails when its time is over', async t => {
  const { narrator, lines } = listen(false, 1);
  const step = narrator.step('It waits', () => new Promise(() => undefined));
  await t.throwsAsync(step, { message: /longer than 1 ms/ });
  t.is(lines[1], ' 1 ✘ It waits');
});

test('identifiers in paths are shortened, and colours used only when asked for', async t => {
  const exchange = {
    method: 'GET',
    url: new URL(`http://localhost/agents/agt_${'0'.repeat(28)}5b0b`),
    status: 403,
    error: 'insufficient_scope',
    answeredAt: 0,
  };
  for (const useColour of [true, false]) {
    const { narrator, lines } = listen(useColour);
    await narrator.step('It asks', async tell => tell.exchange(exchange));
    t.true(lines[2]?.includes('/agents/agt_…5b0b'));
    t.is(lines[2]?.includes('\u001b['), useColour);
  }
});
