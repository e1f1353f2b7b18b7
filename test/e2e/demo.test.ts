/** The demo as a newcomer starts it: a process of its own, read by what it prints and how it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { REPORTER_ID, SHOPKEEPER_ID } from '../../seed/demo-world.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { type Shown, Visitor } from '../support/visitor.ts';
import type { SabotageName } from './sabotaged-demo.ts';

interface Play {
  readonly output: () => string;
  /** Types something into it. */
  type(text: string): void;
  /** From now on nobody types. */
  leave(): void;
  /** Resolves when the text has been printed: whole, so what is waited for ends with its line. */
  seen(text: RegExp | string): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves to the exit code once the process has ended, after which its temporary directory is looked into. */
  ended(): Promise<number | null>;
  leftovers(): Promise<readonly string[]>;
}

const STEPS = [
  'The agent finds its way and signs in with its own key',
  'Its token is narrow: one audience, one scope, five minutes',
  'The MCP server verifies it by introspection (RFC 7662)',
  'A tool call within its scope works',
  'Without a token, or with a made-up one: 401',
  'A tool beyond its scope: 403 insufficient_scope',
  'An administrator kills the agent: one call, one durable write',
  'Its very next call is refused',
  'It cannot come back with its key: 401 invalid_client',
  'The audit trail has all of it, and its hash chain verifies',
  'An administrator restores the agent; its old token stays dead',
  'Alice signs in, with her password and a one-time code',
  'She lets the agent act for her: one server, what she ticks, until a time',
  'The agent exchanges it for a token that acts for her (RFC 8693)',
  'The MCP server is told for whom it is called, and by whom',
  'What she did not allow is refused by name: 400 invalid_scope',
  'It asks for more, says why, and is told to wait: 400 authorization_pending',
  'Alice sees one card, and countersigns exactly that with a new code',
  "The agent's next poll has the token",
  'The call works; the MCP server is told who countersigned it',
  'Fetched again, by another agent, with the same one-time code: refused',
  'Its minute is over: the token is dead',
  'The audit trail tells ask, display, decision, redemption and end',
  'She presses End: its token is dead at the very next check',
  "The agent's own tokens live on",
  'The audit trail tells it in order, and its hash chain verifies',
];
const ALL_DONE = STEPS.map((title, index) => `${String(index + 1).padStart(2)} ✔ ${title}`);
/** The last line that it prints before it waits for whoever tries things. */
const LAST_LINE = `/agents/${REPORTER_ID}/kill\n`;
/** The last line of each of Alice's turns. */
const SIGN_IN_TURN = 'in for her\n';
const GIVE_TURN = /Your turn: let the agent act for Alice\n(?:.*\n)*? {6}Enter .*\n/;
const APPROVE_TURN = /Your turn: countersign what the agent asks for\n(?:.*\n)*? {6}Enter .*\n(?: {17}.*\n)*/;
/** The last that is said where somebody stops it. */
const STOPPED = /\nStopped: nothing is left behind\.\n$/;
const END_TURN = /Your turn: end it\n(?:.*\n)*? {6}Enter .*\n/;

test('the demo tells its steps in 80 columns, without colours but on a terminal, exits 0 with --once, and leaves nothing behind', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts', '--once'], { CI: 'true', FORCE_COLOR: '1' });
  t.is(await play.ended(), 0, play.output());
  t.deepEqual(stepsOf(play), ALL_DONE);
  t.regex(play.output(), /sent to call refused: \d+\.\d ms/);
  t.regex(play.output(), /✔ agent\.killed/);
  t.is(play.output().match(/done by {4}the demo, /g)?.length, 4);
  t.notRegex(play.output(), /Your turn/);
  t.deepEqual(tooWide(play), []);
  t.false(play.output().includes('\u001b'));
  t.deepEqual(await play.leftovers(), []);
});

/** Each lie of a part, and the step that finds it out. */
const SABOTAGES: readonly (readonly [SabotageName, what: string, step: number])[] = [
  ['trusting', 'its MCP server takes every token for a good one', 5],
  ['generous', 'its MCP server reads more scopes into a token than it has', 6],
  ['caching', 'its MCP server goes on believing what it was told before', 8],
  ['unrestored', 'the restore of the agent is confirmed and not done', 11],
  ['pretending', 'the pages say that Alice is signed in, who is not', 12],
  ['ungiving', 'the pages say that a delegation was given, which was not', 13],
  ['widening', 'an exchange answers with more than she gave', 14],
  ['actless', 'its MCP server is not told who acts', 15],
  ['misnaming', 'its MCP server is told another person', 15],
  ['yielding', 'an exchange gives what she did not allow', 16],
  ['rash', 'a poll gives a token before anybody has decided', 17],
  ['forging', 'the card shows another binding code than the agent', 18],
  ['rewording', 'the card shows another reason than that of the agent', 18],
  ['unsigning', 'the pages say that she has approved, who has not', 18],
  ['stretching', 'a poll answers with more than was approved', 19],
  ['anonymous', 'its MCP server is not told who countersigned', 20],
  ['repeating', 'a second poll gives a token', 21],
  ['sharing', 'the deferral code works for another agent', 21],
  ['recycling', 'a one-time code is taken twice', 21],
  ['immortal', 'what was approved goes on after its end', 22],
  ['shrugging', 'the deferral code is refused by somebody else than the server', 23],
  ['unending', 'the pages say that it is ended, which it is not', 24],
  ['lingering', 'the token of an ended delegation is still taken', 24],
  ['severing', "the end of a delegation takes the agent's own token with it", 25],
  ['feigning', 'refusals are answered by somebody else than the server', 26],
];

// Two at a time, since one play is mostly waiting for its own turn.
for (const half of [0, 1]) {
  const mine = SABOTAGES.filter((_, index) => index % 2 === half);
  const names = mine.map(([name]) => name).join(', ');
  test(`the demo exits 1 at the very step where a part lies: ${names}`, async t => {
    const play = await startDemo(t, ['test/e2e/sabotaged-demo.ts', ...mine.map(([name]) => name)]);
    t.is(await play.ended(), 1, play.output());
    for (const [name, what, step] of mine) {
      const [, told = ''] =
        new RegExp(`^== ${name}\n([\\s\\S]*?)^== ${name} ended with 1$`, 'm').exec(play.output()) ?? [];
      t.true(
        told.includes(`\nThe demo failed at step ${step}, "${STEPS[step - 1]}": `),
        `${name}: ${what}\n${told}`,
      );
      t.deepEqual(
        stepLines(told),
        [...ALL_DONE.slice(0, step - 1), `${String(step).padStart(2)} ✘ ${STEPS[step - 1]}`],
        `${name}: ${what}`,
      );
    }
    t.deepEqual(await play.leftovers(), []);
  });
}

test('somebody plays Alice in a browser and the demo goes on by itself; then its commands work as they are, and Ctrl-C ends it cleanly', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts'], {}, 'typing');
  const { visitor, code } = await signInByHand(t, play);

  await play.seen(GIVE_TURN);
  const pressed = async (shown: Promise<Shown>) => t.is((await shown).status, 303);
  await visitor.get(`/me/delegations/new?agent=${SHOPKEEPER_ID}`);
  await visitor.submit('/me/delegations/review', { 'scope:orders:read': 'yes', until: '7d' });
  await pressed(visitor.submit('/me/delegations'));

  await play.seen(APPROVE_TURN);
  const delegation = printed(play, /^ {6}delegation (dlg_\w+)$/m);
  const card = await findCard(visitor);
  t.true((await visitor.get(card)).text.includes(printed(play, /^ {6}shows {6}(\S{9}): /m)));
  play.type('\n');
  await play.seen(/Your turn: countersign(?:.*\n)*? {6}code {7}\d{6} .*\n(?: {17}.*\n)*/);
  const another = printed(play, /Your turn: countersign(?:.*\n)*? {6}code {7}(\d{6}) /);
  t.not(another, code);
  await pressed(visitor.submit(`${card}/approve`, { code: another }));

  await play.seen(END_TURN);
  await visitor.get('/me');
  await pressed(visitor.submit(`/me/delegations/${delegation}/end`));

  await play.seen(LAST_LINE);
  t.deepEqual(stepsOf(play), ALL_DONE);
  t.is(play.output().match(/done by {4}you$/gm)?.length, 4);
  t.notRegex(play.output(), /done by {4}the demo/);
  t.regex(play.output(), /it prints {2}find_order, for usr_0{29}a1c, by\n {17}agt_0{28}5b0b\n/);
  t.regex(play.output(), /agt_0{28}5b0b, countersigned by\n {17}usr_0{29}a1c\n/);

  const commands = printedCommands(play.output());
  t.is(commands.length, 5);
  const [getToken, introspect, revoke, list, kill] = commands;
  const answers = await runInShell([getToken, introspect, revoke, introspect, list, kill, getToken]);
  const [token, live, revoked, dead, delegations, killed, refused] = answers as [string, ...string[]];
  t.regex(token, /^cs_at_[\w-]{48}$/);
  t.like(JSON.parse(live ?? ''), { active: true, scope: 'orders:read' });
  t.deepEqual(JSON.parse(revoked ?? ''), {});
  t.deepEqual(JSON.parse(dead ?? ''), { active: false });
  t.like(JSON.parse(delegations ?? '').items[0], { id: delegation, status: 'ended' });
  t.like(JSON.parse(killed ?? ''), { name: 'Reporter', status: 'suspended' });
  t.like(JSON.parse(refused ?? ''), { error: 'invalid_client' });

  // Her page is there still, and at each Enter there is a code that was not used yet.
  play.type('\n');
  await play.seen(/^ {6}code .*\n(?:.*\n)*^ {6}code .*\n/m);
  t.not(
    play
      .output()
      .match(/^ {6}code {7}\d{6}/gm)
      ?.at(-1)
      ?.slice(-6),
    code,
  );
  t.deepEqual(tooWide(play), []);
  showsNoSecret(t, play);

  play.signal('SIGINT');
  t.is(await play.ended(), 0);
  t.regex(play.output(), STOPPED);
  t.deepEqual(await play.leftovers(), []);
});

test('Enter leaves it to the demo: twice for the sign-in, once for the rest, and not at all where nobody is there any more', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts'], {}, 'typing');
  await play.seen(SIGN_IN_TURN);
  play.type('\n');
  await play.seen(/^ {6}code {7}\d{6} .*\n/m);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 11));
  play.type('\n');
  await play.seen(GIVE_TURN);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 12));
  play.type('\n');
  await play.seen(APPROVE_TURN);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 17));
  play.type('\n');
  await play.seen(/Your turn: countersign(?:.*\n)*? {6}code {7}\d{6} .*\n/);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 17));
  play.type('\n');
  await play.seen(END_TURN);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 23));
  play.leave();
  await play.seen(LAST_LINE);
  t.deepEqual(stepsOf(play), ALL_DONE);
  t.is(play.output().match(/done by {4}the demo, /g)?.length, 4);
  t.notRegex(play.output(), /Enter prints a code$/m);
  showsNoSecret(t, play);
  play.signal('SIGTERM');
  t.is(await play.ended(), 0);
  t.deepEqual(await play.leftovers(), []);
});

test('somebody denies it in their browser, with one press: the agent is told so and asks anew, and the story goes on', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts'], {}, 'typing');
  const { visitor } = await signInByHand(t, play);
  await play.seen(GIVE_TURN);
  play.type('\n');
  await play.seen(APPROVE_TURN);
  const card = await findCard(visitor);
  await visitor.get(card);
  t.is((await visitor.submit(`${card}/deny`, { reason: 'too-much' })).status, 303);

  const anew = 'Nothing comes of that request, which is denied: it asks anew';
  await play.seen(new RegExp(`${anew}[^]*${APPROVE_TURN.source}`));
  t.deepEqual(stepsOf(play), [...ALL_DONE.slice(0, 17), `18 ✔ ${anew}`]);
  t.regex(play.output(), /access_denied\n {6}says .*(?:\n {17}.*)*too much/);
  t.not(await findCard(visitor), card);
  play.leave();
  await play.seen(LAST_LINE);
  t.deepEqual(
    stepsOf(play).map(line => line.slice(3)),
    [...ALL_DONE.slice(0, 17), `18 ✔ ${anew}`, ...ALL_DONE.slice(17)].map(line => line.slice(3)),
  );
  t.deepEqual(tooWide(play), []);
  showsNoSecret(t, play);
  play.signal('SIGINT');
  t.is(await play.ended(), 0);
  t.deepEqual(await play.leftovers(), []);
});

test('Ctrl-C ends it cleanly while it waits for somebody', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts'], {}, 'typing');
  await play.seen(SIGN_IN_TURN);
  play.signal('SIGINT');
  t.is(await play.ended(), 0);
  t.regex(play.output(), STOPPED);
  t.deepEqual(stepsOf(play), ALL_DONE.slice(0, 11));
  t.deepEqual(await play.leftovers(), []);
});

test('the demo can be interrupted in the middle of its story', async t => {
  for (;;) {
    const play = await startDemo(t, ['src/cli/demo/main.ts', '--once']);
    await play.seen(`${STEPS[0]}\n`);
    play.signal('SIGINT');
    const exitCode = await play.ended();
    t.deepEqual(await play.leftovers(), []);
    // Where this process had to wait for its turn the story may have ended before the signal: then it is played again.
    if (exitCode === 0 && play.output().includes('Every step did what it says')) continue;
    t.is(exitCode, 130);
    t.regex(play.output(), STOPPED);
    t.notRegex(play.output(), /Every step did what it says/);
    return;
  }
});

/** Signs in as Alice, with a code that the demo prints. */
async function signInByHand(
  t: ExecutionContext,
  play: Play,
): Promise<{ readonly visitor: Visitor; readonly code: string }> {
  await play.seen(SIGN_IN_TURN);
  const link = printed(play, /^ {6}open {7}(\S+)$/m);
  const email = printed(play, /^ {6}e-mail {5}(\S+)$/m);
  const password = printed(play, /^ {6}password {3}(\S+) /m);
  const issuer = new URL(link).origin;
  const visitor = new Visitor({ base: issuer, issuer });
  const start = await visitor.get('/me');
  t.is(start.location, '/sign-in?next=%2Fme');
  await visitor.get(start.location ?? '');
  const begun = await visitor.submit('/sign-in', { email, password });
  await visitor.get(begun.location ?? '');
  // The page asks for a code now: there is a minute to type it.
  play.type('\n');
  await play.seen(/^ {6}code {7}\d{6} .*\n/m);
  const code = printed(play, /^ {6}code {7}(\d{6}) \(good for \d+ s\)$/m);
  t.is((await visitor.submit('/sign-in/factor', { code })).location, '/me');
  return { visitor, code };
}

/** Where the one request is that waits for her. */
async function findCard(visitor: Visitor): Promise<string> {
  const inbox = await visitor.get('/approvals');
  const [, card] = /href="([^"]*\/approvals\/elv_[0-9a-f]{32})"/.exec(inbox.text) ?? [];
  if (card === undefined) throw new Error(`nothing waits in\n${inbox.text}`);
  return card;
}

async function startDemo(
  t: ExecutionContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input: 'nobody' | 'typing' = 'nobody',
): Promise<Play> {
  const temporary = await mkdtemp(join(tmpdir(), 'demo-test-'));
  t.teardown(() => rm(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, args, {
    env: { ...CHILD_ENV, TMPDIR: temporary, ...env },
    stdio: [input === 'typing' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  let output = '';
  const waiting = new Map<RegExp | string, () => void>();
  const has = (wanted: RegExp | string) =>
    typeof wanted === 'string' ? output.includes(wanted) : wanted.test(output);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const [wanted, resolve] of waiting) if (has(wanted)) resolve();
    });
  }
  const closed = once(child, 'close').then(([code]) => code as number | null);
  return {
    output: () => output,
    type: text => void child.stdin?.write(text),
    leave: () => void child.stdin?.end(),
    seen: async text => {
      if (has(text)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(text, resolve);
      await Promise.race([
        promise,
        closed.then(code => {
          throw new Error(`the demo ended with ${code}:\n${output}`);
        }),
      ]);
    },
    signal: signal => void child.kill(signal),
    ended: () => closed,
    leftovers: () => readdir(temporary),
  };
}

/** The steps that were told, each with its mark. */
function stepsOf(play: Play): readonly string[] {
  return stepLines(play.output());
}

function stepLines(output: string): readonly string[] {
  return output.match(/^ ?\d+ [✔✘] .*$/gmu) ?? [];
}

/** Lines of the story that are; the commands after it hold the path of a directory for temporary files. */
function tooWide(play: Play): readonly string[] {
  const [story = ''] = play.output().split('It stays up for you to try');
  return story.split('\n').filter(line => line.length > 80);
}

/** What stands at a place of the output. */
function printed(play: Play, place: RegExp): string {
  const [, found] = place.exec(play.output()) ?? [];
  if (found === undefined) throw new Error(`nothing like ${place} in\n${play.output()}`);
  return found;
}

function showsNoSecret(t: ExecutionContext, play: Play): void {
  t.notRegex(play.output(), /cs_(?:at|dc)_[\w-]{30}/);
  // 256 bits in base64url: the length of a client secret, of a session, and of an invitation.
  t.notRegex(play.output(), /(?<![\w-])[\w-]{43}(?![\w-])/);
}

/** The commands as a reader would copy them: each stands between a numbered heading and the next empty line. */
function printedCommands(output: string): readonly string[] {
  return [...output.matchAll(/^\d {2}.*\n\n((?:.+\n)+)/gm)].map(match => match[1] ?? '');
}

/** Pastes commands into one shell, one after the other. @returns what each printed, without the line end */
async function runInShell(commands: readonly (string | undefined)[]): Promise<readonly string[]> {
  const mark = '-- end of a command --';
  const script = commands.map(command => `${command}echo '${mark}'\n`).join('');
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  shell.stdout.setEncoding('utf8').on('data', text => {
    output += text;
  });
  await once(shell, 'close');
  return output
    .split(`${mark}\n`)
    .slice(0, -1)
    .map(answer => answer.trimEnd());
}
