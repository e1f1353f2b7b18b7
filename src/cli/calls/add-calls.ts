import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { ADMIN_CALLS } from '../../admin-api/calls.ts';
import { scopeOption, withServerOptions } from '../open-client.ts';
import { exampleOf } from './example.ts';
import { type Field, fieldsOf, jsonOf } from './flags.ts';
import { runCall } from './run-call.ts';
import { givesRights, readerOf, type Verb, verbsOf } from './verbs.ts';

/** Calls that end something at once, or for good: on a terminal they ask first. */
const ENDS_SOMETHING = /\/(kill|retire|end)$/;

/**
 * Adds a verb for every call of the admin API, made from its description.
 *
 * @param typed only for the one that it names, or else for those that begin with its first word
 */
export function addCalls(program: Command, typed?: readonly string[]): void {
  for (const verb of verbsMeant(typed)) addCall(program, verb);
}

function verbsMeant(typed: readonly string[] | undefined): readonly Verb[] {
  const verbs = verbsOf(ADMIN_CALLS);
  if (typed === undefined) return verbs;
  const named = verbs.filter(({ words }) => words.every((word, index) => word === typed[index]));
  return named.length > 0 ? named : verbs.filter(({ words }) => words[0] === typed[0]);
}

function addCall(program: Command, verb: Verb): void {
  const { call, words, params, operationId } = verb;
  const group = words.slice(0, -1).reduce((parent, word) => groupIn(parent, word, call.tag), program);
  const command = group
    .command(words.at(-1) ?? '')
    .summary(call.summary)
    .description(descriptionOf(verb));
  for (const name of params) command.addArgument(argumentOf(verb, name));
  const query = fieldsOf(call.query);
  const body = fieldsOf(call.body);
  for (const field of [...query, ...body]) addField(command, field, verb);
  const clearable = body.filter(field => field.isClearable).map(({ flag }) => flag);
  if (clearable.length > 0) {
    command.addOption(
      new Option('--clear <field>', 'take a value away')
        .choices(clearable)
        .argParser<readonly string[]>(collect),
    );
  }
  if (call.body)
    command.option('-f, --file <file>', 'the whole body as YAML or JSON; - for standard input; flags win');
  if (call.ifMatch) {
    command.option(
      '--if-version <number>',
      'refuse if it has changed since this version of it; without, the change is made to what is there now',
      parseVersion,
    );
  }
  if (call.mayMatch) {
    command.option(
      '--if-version <number>',
      'refuse if it has changed since this version of it; without, whatever it is now is meant',
      parseVersion,
    );
  }
  if (call.paged) command.option('--all', 'every page; how many have come is told on standard error');
  if (ENDS_SOMETHING.test(call.path)) {
    command.option('-y, --yes', 'do not ask; needed where there is no terminal to ask on');
  }
  if (jsonOf(call.answer, 'output').properties?.['secret']) {
    command.option(
      '--secret-file <file>',
      'write the secret to a new file that only you can read, and do not show it',
    );
  }
  if (givesRights(call)) command.addOption(scopeOption());
  withServerOptions(command);
  command.addHelpText('after', () => `\nExample:\n${exampleOf(verb, '  ')}`);
  command.action(() =>
    runCall({
      verb,
      query,
      body,
      reader: readerOf(call, ADMIN_CALLS),
      asks: ENDS_SOMETHING.test(call.path),
      operationId: operationId as keyof typeof ADMIN_CALLS,
      typed: command.opts(),
      args: command.args,
    }),
  );
}

function groupIn(parent: Command, word: string, tag: string): Command {
  const known = parent.commands.find(command => command.name() === word);
  return known ?? parent.command(word).description(parent.parent ? `${word} of ${parent.name()}` : tag);
}

function descriptionOf({ call: { summary, description, scope } }: Verb): string {
  const needs = scope === 'any' ? '' : `Needs the scope ${scope}.`;
  return [`${summary}.`, description, needs].filter(part => part).join(' ');
}

function argumentOf({ call }: Verb, name: string): Argument {
  const schema = call.params?.[name];
  const json = schema && jsonOf(schema, 'input');
  const permitted = schema?.safeParse('\0').error?.issues[0]?.message;
  return new Argument(`<${name}>`, [json?.description, permitted].filter(part => part).join(' ') || name);
}

function addField(command: Command, field: Field, { call }: Verb): void {
  const typed = field.kind === 'switch' ? '' : ` <${placeholderOf(field)}>`;
  const option = new Option(`--${field.flag}${typed}`, helpOf(field, call));
  if (field.kind === 'texts' || field.kind === 'structures') option.argParser<readonly string[]>(collect);
  else if (field.values.length > 0) option.choices(field.values);
  command.addOption(option);
}

function placeholderOf({ kind, name }: Field): string {
  if (kind === 'number') return 'number';
  if (kind === 'structure' || kind === 'structures') return 'yaml';
  return /id$/i.test(name) ? 'id' : 'text';
}

/** What it is, as the answer describes it where the request does not, and what is permitted. */
function helpOf(field: Field, call: Verb['call']): string {
  const answered = jsonOf(call.answer, 'output').properties?.[field.name]?.description;
  const isMany = field.kind === 'texts' || field.kind === 'structures';
  return [
    field.description ?? answered,
    call.method === 'POST' && field.isRequired ? 'Required.' : undefined,
    shortHelp(field),
    permittedHelp(field),
    isMany ? 'May be repeated.' : undefined,
  ]
    .filter(part => part !== undefined)
    .join(' ');
}

function permittedHelp({ kind, values, permitted, short }: Field): string | undefined {
  // Commander says the choices of a single value itself.
  if (values.length > 0) return kind === 'texts' ? `Permitted: ${values.join(', ')}.` : undefined;
  if (permitted === undefined || short?.kind === 'head') return undefined;
  // What nobody types by accident is told when it is refused.
  return `Permitted: ${permitted.split(', without')[0]}.`;
}

function shortHelp({ short }: Field): string | undefined {
  if (short?.kind === 'head') return `As '${short.head.toUpperCase()} ${short.rest.toUpperCase()}…' or YAML.`;
  if (short?.kind === 'word' && short.words.length > 0) return `In short: ${short.words.join(', ')}.`;
  return undefined;
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

function parseVersion(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw new InvalidArgumentError('permitted: the version of the record, a whole number');
  return Number(text);
}
