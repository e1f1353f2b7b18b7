/** The verbs of the admin API: one for each call, each used once against a server. */
import test from 'ava';
import type { Command } from 'commander';
import type { z } from 'zod';
import { ADMIN_CALLS } from '../../src/admin-api/calls.ts';
import type { AdminCallDescription } from '../../src/admin-api/index.ts';
import { exampleArguments } from '../../src/cli/calls/example.ts';
import { verbsOf } from '../../src/cli/calls/verbs.ts';
import { commandsOf, pathOf } from '../../src/cli/command-tree.ts';
import { createProgram } from '../../src/cli/program.ts';
import type { DelegationChange } from '../../src/delegation/index.ts';
import type { ElevationChange } from '../../src/elevation/index.ts';
import { delegationRecord, elevationRecord } from '../contract/records.ts';
import { type App, startApp } from '../support/start-app.ts';
import { addWithKey } from '../support/with-key.ts';
import { type Folder, makeFolder } from './run-cli.ts';

const VERBS = verbsOf(ADMIN_CALLS);
const CALLS: Readonly<Record<string, AdminCallDescription>> = ADMIN_CALLS;

test('every call of the admin API has exactly one verb, and no verb stands for two', async t => {
  t.deepEqual(VERBS.map(({ operationId }) => operationId).sort(), Object.keys(ADMIN_CALLS).sort());
  const typed = VERBS.map(({ words }) => words.join(' '));
  t.deepEqual([...new Set(typed)], typed);
  const program = await createProgram();
  const paths = commandsOf(program).map(command => pathOf(command).join(' '));
  for (const words of typed) t.is(paths.filter(path => path === words).length, 1, words);
  // A word that is a verb and also begins others would hide one of them.
  for (const command of commandsOf(program).filter(({ commands }) => commands.length > 0)) {
    t.false(typed.includes(pathOf(command).join(' ')), pathOf(command).join(' '));
  }
});

test('a verb takes every parameter, filter and field of its call, and nothing that is typed twice', async t => {
  const program = await createProgram();
  for (const { words, params, operationId } of VERBS) {
    const command = commandsOf(program).find(each => pathOf(each).join(' ') === words.join(' '));
    const call = CALLS[operationId];
    t.deepEqual(
      command?.registeredArguments.map(each => each.name()),
      [...params],
      operationId,
    );
    const long = command?.options.map(option => option.long) ?? [];
    t.deepEqual([...new Set(long)], long, operationId);
    const body = (call?.body as { shape?: object } | undefined)?.shape;
    const fields = Object.entries<z.ZodType>({ ...call?.query?.shape, ...body });
    for (const [field, schema] of fields) {
      const flag = `--${field.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
      // What a shell must not remember comes from a file or standard input.
      t.is(long.includes(flag), schema.meta()?.['writeOnly'] !== true, `${operationId}: ${flag}`);
    }
    t.is(long.includes('--all'), call?.paged === true, operationId);
    t.is(long.includes('--if-version'), (call?.ifMatch ?? call?.mayMatch) === true, operationId);
    t.is(long.includes('--yes'), /\/(kill|retire|end)$/.test(call?.path ?? ''), operationId);
  }
});

/** What help, completion and a call take from the commands below some words. */
function shapeBelow(program: Command, words: readonly string[]): readonly object[] {
  return commandsOf(program)
    .filter(command => words.every((word, index) => pathOf(command)[index] === word))
    .map(command => ({
      path: pathOf(command).join(' '),
      about: [command.description(), command.summary(), command.helpGroup()],
      takes: command.registeredArguments.map(each => each.name()),
      options: command.options.map(({ flags, description }) => [flags, description]),
    }));
}

const wordsOf = ({ commands }: Command): readonly string[] => commands.map(command => command.name());

test('what is made for the words that were typed is what the whole has below them, and nothing beside it', async t => {
  const whole = await createProgram();
  for (const command of commandsOf(whole).slice(1)) {
    const path = pathOf(command);
    const alone = await createProgram([...path, '--help']);
    t.deepEqual(shapeBelow(alone, path), shapeBelow(whole, path), path.join(' '));
    // It completes the whole, so it needs the whole.
    if (command.name() !== 'completion') t.deepEqual(wordsOf(alone), path.slice(0, 1), path.join(' '));
  }
  t.deepEqual(wordsOf(await createProgram(['agents', 'list'])), ['agents']);
  t.deepEqual(
    shapeBelow(await createProgram(['agents', 'lits']), ['agents']),
    shapeBelow(whole, ['agents']),
    'what is meant can be guessed',
  );
  for (const word of ['help', '--help', '-h', 'completion', 'agent', '', '--profile'])
    t.deepEqual(wordsOf(await createProgram([word, 'agents'])), wordsOf(whole), word);
});

test('every verb has help with a description and an example of itself', async t => {
  const program = await createProgram();
  for (const command of commandsOf(program)) {
    if (command.commands.length > 0) continue;
    const words = pathOf(command).join(' ');
    let help = '';
    command.configureOutput({ writeOut: text => (help += text) });
    command.outputHelp();
    t.regex(help, new RegExp(`\\nExamples?:\\n(.*\\n)* .*countersign ${words}\\b`), words);
    t.true(command.description().length > 10, words);
    t.regex(command.description(), /^[A-Z]/, words);
  }
});

test('the example of every verb works, in the order of the calls', async t => {
  const app = await startApp(t);
  await giveAndAsk(app);
  const folder = await makeFolder(t, {
    COUNTERSIGN_URL: app.issuer,
    COUNTERSIGN_CLIENT_ID: app.admin.clientId,
    COUNTERSIGN_CLIENT_SECRET: app.admin.secret,
  });
  for (const verb of VERBS) {
    const made = await madeByServer(folder, verb.operationId, app);
    const args = exampleArguments(verb).map(word => made[word] ?? word);
    const asks = /\/(kill|retire|end)$/.test(verb.call.path);
    const ran = await folder.cliHere([...args, ...(asks ? ['--yes'] : [])]);
    t.is(ran.code, 0, `${args.join(' ')}: ${ran.stderr}`);
    t.true(verb.call.answer.safeParse(ran.json).success, `${args.join(' ')}: ${ran.stdout}`);
    t.is(ran.stderr, '', args.join(' '));
  }
});

/** What no call makes: a person gives it in their own session, and an agent asks for it. */
async function giveAndAsk({ store }: App): Promise<void> {
  const record = delegationRecord({ id: ADMIN_CALLS.getDelegation.example.params.id as `dlg_${string}` });
  const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
  const asked: ElevationChange = {
    kind: 'insert',
    collection: 'elevation',
    record: elevationRecord({ id: ADMIN_CALLS.getElevation.example.params.id as `elv_${string}` }),
  };
  await store.commit({ changes: [given, asked], events: [], authority: { none: 'boot' } });
}

/** What no example can know because the server makes it, by what stands for it there. */
async function madeByServer(
  folder: Folder,
  operationId: string,
  app: App,
): Promise<Readonly<Record<string, string>>> {
  const admin = app.admin.clientId;
  const list = async (...words: string[]) => (await folder.cliHere([...words, 'list'])).json.items;
  const inExample = (name: string): string => CALLS[operationId]?.example.params?.[name] ?? '';
  switch (operationId) {
    case 'retireSigningKey':
    case 'killSigningKey': {
      const keys: { id: string; alg: string }[] = await list('keys');
      return { [inExample('id')]: keys.find(({ alg }) => alg === 'ES256')?.id ?? '' };
    }
    case 'addAgentKey':
    case 'addResourceKey':
    case 'listAgentKeys':
    case 'listResourceKeys':
    case 'revokeAgentKey':
    case 'revokeResourceKey': {
      const made = await addWithKey(app, operationId.includes('Agent') ? 'agent' : 'resource');
      return { [inExample('id')]: made.id, [inExample('key')]: made.key };
    }
    case 'revokeAgentSecret':
    case 'revokeResourceSecret': {
      const group = operationId === 'revokeAgentSecret' ? 'agents' : 'resources';
      const secrets = await folder.cliHere([group, 'secrets', 'list', inExample('id')]);
      return { [inExample('secret')]: secrets.json.items[0].id };
    }
    case 'getToken':
    case 'revokeToken': {
      const tokens = await folder.cliHere(['agents', 'tokens', 'list', admin]);
      return { [inExample('jti')]: tokens.json.items[0].jti };
    }
    case 'explainToken': {
      const tokens = await folder.cliHere(['agents', 'tokens', 'list', admin]);
      const { jti } = ADMIN_CALLS.explainToken.example.body as { jti: string };
      return { [jti]: tokens.json.items[0].jti };
    }
    default:
      return {};
  }
}
