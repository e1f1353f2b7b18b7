/** Who does what Alice does in the demo: whoever reads along, or the demo. */
import { PassThrough } from 'node:stream';
import test from 'ava';
import type { CommitOutcome } from '../../../src/audit/index.ts';
import { AuthenticatorApp } from '../../../src/cli/demo/authenticator.ts';
import { CommitWatch } from '../../../src/cli/demo/commit-watch.ts';
import { Enters } from '../../../src/cli/demo/enters.ts';
import { Narrator } from '../../../src/cli/demo/narrator.ts';
import { type Turn, turnsOfReader } from '../../../src/cli/demo/turns.ts';

/** Resolves when everything that could go on by itself has gone on. */
async function settled(): Promise<void> {
  for (let round = 0; round < 10; round += 1) await new Promise(resolve => setImmediate(resolve));
}

function world() {
  const lines: string[] = [];
  const input = new PassThrough();
  const store = { commit: async (): Promise<CommitOutcome> => ({ committed: true }) };
  let isDone = false;
  const turns = turnsOfReader({
    narrator: new Narrator({ print: line => lines.push(line), useColour: false, stepTimeoutMs: 1 }),
    enters: new Enters(input),
    commits: new CommitWatch(store),
    alice: { app: new AuthenticatorApp('JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', async () => 0) },
  });
  const turn = (needsCode: boolean): Turn => ({
    title: 'Your turn',
    facts: [['Enter', 'leaves it to the demo']],
    needsCode,
    isDone: async () => isDone,
  });
  let by: string | undefined;
  return {
    lines,
    input,
    by: () => by,
    become: () => {
      isDone = true;
    },
    commit: () => store.commit(),
    take: async (needsCode = false) => {
      void turns.take(turn(needsCode)).then(taken => {
        by = taken;
      });
      await settled();
    },
  };
}

test('what was pressed before it was asked for counts for nothing; then one Enter leaves it to the demo', async t => {
  const { lines, input, take, by } = world();
  input.write('\n\n\n');
  await settled();
  await take();
  t.deepEqual(lines, ['', '   … Your turn', '      Enter      leaves it to the demo']);
  t.is(by(), undefined);
  input.write('\n');
  await settled();
  t.is(by(), 'demo');
});

test('where a code is needed the first Enter prints one, and the next one leaves it to the demo', async t => {
  const { lines, input, take, by } = world();
  await take(true);
  input.write('\n');
  await settled();
  t.regex(lines.at(-1) ?? '', /^ {6}code {7}\d{6} \(good for \d+ s\)$/);
  t.is(by(), undefined);
  input.write('\n');
  await settled();
  t.is(by(), 'demo');
});

test('it is noticed with the commit that did it, and by no other', async t => {
  const { take, by, become, commit } = world();
  await take(true);
  await commit();
  await settled();
  t.is(by(), undefined);
  become();
  await settled();
  t.is(by(), undefined, 'nobody asks again and again');
  await commit();
  await settled();
  t.is(by(), 'reader');
});

test('what is done already is not asked for, nor is anything where nobody is there', async t => {
  const done = world();
  done.become();
  await done.take();
  t.is(done.by(), 'reader');
  const alone = world();
  alone.input.end();
  alone.input.resume();
  await settled();
  await alone.take();
  t.is(alone.by(), 'demo');
  t.deepEqual([...done.lines, ...alone.lines], []);
});

test('who goes away leaves the rest to the demo', async t => {
  const { input, take, by } = world();
  await take();
  input.end();
  await settled();
  t.is(by(), 'demo');
});
