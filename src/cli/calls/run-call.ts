import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { AdminScope } from '../../admin-api/index.ts';
import { type AdminClient, ProblemError } from '../../client/index.ts';
import { visibleText } from '../../text/index.ts';
import { EXIT, Failure } from '../failure.ts';
import { yaml } from '../late-libraries.ts';
import { openClient, type ServerOptions } from '../open-client.ts';
import { outputFormat } from '../output.ts';
import { askWhether, isTerminal } from '../prompt.ts';
import { type Field, jsonOf, readFlag } from './flags.ts';
import { showAnswer, showEveryPage } from './show-answer.ts';
import { givesRights, type Verb } from './verbs.ts';

/** What was typed after the words of a verb. */
interface Typed extends ServerOptions {
  readonly [flag: string]: unknown;
  readonly file?: string;
  readonly clear?: readonly string[];
  readonly ifVersion?: number;
  readonly all?: true;
  readonly yes?: true;
  readonly secretFile?: string;
  readonly scope?: readonly AdminScope[];
}

export interface RunCall {
  readonly verb: Verb;
  readonly query: readonly Field[];
  readonly body: readonly Field[];
  /** The call that reads the record acted upon. */
  readonly reader: Verb | undefined;
  /** Whether it asks first. */
  readonly asks: boolean;
  readonly operationId: keyof AdminClient;
  readonly typed: Typed;
  readonly args: readonly string[];
}

type Arguments = Readonly<Record<string, unknown>>;
type Method = (args: Arguments) => Promise<unknown> & AsyncIterable<unknown>;

/** How often a change is made again to what is there by then, when others change the record at the same time. */
const MAX_ATTEMPTS = 5;

/** Makes a call as it was typed, and shows its answer. */
export async function runCall(run: RunCall): Promise<void> {
  const { verb, typed } = run;
  const { call } = verb;
  const format = outputFormat(typed.output);
  const args = readArguments(run);
  // Where the call gives no rights away, `--scope` can only be a field of its own.
  const { client, url } = openClient(typed, givesRights(call) ? typed.scope : undefined);
  const method = methodOf(client, run.operationId);
  if (run.asks && !typed.yes) await assertMeant(run, client, args, url);
  if (call.paged && typed.all) {
    await showEveryPage(verb, method({ limit: largestPage(run), ...args }), format);
    return;
  }
  const named = call.mayMatch && typed.ifVersion !== undefined ? { ...args, version: typed.ifVersion } : args;
  const secretFile = typed.secretFile === undefined ? undefined : openSecretFile(typed.secretFile);
  try {
    const answer = call.ifMatch ? await change(run, client, args) : await method(named);
    await showAnswer(verb, secretFile ? secretFile.keep(answer) : answer, format);
  } finally {
    secretFile?.close();
  }
}

/** Everything that the call takes, checked as the server would, so that all that is wrong is told at once. */
function readArguments({ verb: { call, params }, query, body, typed, args }: RunCall): Arguments {
  const named = Object.fromEntries(params.map((name, index) => [name, args[index]]));
  const asked = Object.fromEntries(given(query, typed));
  const problems = [
    ...problemsOf(z.object(call.params ?? {}), named, name => `<${name}>`),
    ...(call.query ? problemsOf(call.query, asked, flagName(query)) : []),
  ];
  let sent: unknown;
  if (call.body) {
    sent = { ...readFile(typed.file), ...Object.fromEntries(given(body, typed)) };
    problems.push(...problemsOf(call.body, sent, flagName(body)));
    if (call.method === 'PATCH' && Object.keys(sent as object).length === 0)
      problems.push('nothing is changed; permitted: a flag, or --file');
  }
  const isLeftOut = call.bodyOptional && Object.keys(sent as object).length === 0;
  if (problems.length > 0) throw new Failure(EXIT.usage, 'What was typed is not permitted:', { problems });
  return { ...named, ...asked, ...(call.body && !isLeftOut && { body: sent }) };
}

function given(fields: readonly Field[], typed: Typed): readonly (readonly [name: string, value: unknown])[] {
  return fields.flatMap(field => {
    const value = typed[camel(field.flag)] as string | boolean | readonly string[] | undefined;
    if (value !== undefined) return [[field.name, readFlag(field, value)] as const];
    return typed.clear?.includes(field.flag) ? [[field.name, null] as const] : [];
  });
}

/** Commander's name of a flag. */
function camel(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function flagName(fields: readonly Field[]): (name: string) => string {
  const flags = new Map(fields.map(({ name, flag }) => [name, `--${flag}`]));
  return name => flags.get(name) ?? name;
}

function problemsOf(schema: z.ZodType, value: unknown, nameOf: (name: string) => string): string[] {
  const { error } = schema.safeParse(value, { reportInput: true });
  return (error?.issues ?? []).map(issue => {
    const [first, ...rest] = issue.path;
    const where = [first === undefined ? 'the body' : nameOf(String(first)), ...rest.map(String)].join('.');
    const isMissing = issue.input === undefined && issue.path.length === 1;
    const what =
      issue.code === 'unrecognized_keys'
        ? `${issue.keys.join(', ')}: no such field`
        : isMissing
          ? 'missing'
          : `${JSON.stringify(issue.input)} is not permitted`;
    const permitted = issue.code === 'invalid_value' ? issue.values.join(', ') : issue.message;
    return `${where}: ${what}; permitted: ${permitted}`;
  });
}

/** A body from a file, or from standard input. */
function readFile(path: string | undefined): Readonly<Record<string, unknown>> {
  if (path === undefined) return {};
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(EXIT.usage, `The body cannot be read (${code}).`, { file: path });
  }
  const document = yaml().parseDocument(text);
  const value: unknown = document.errors.length === 0 ? document.toJS() : undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Arguments;
  throw new Failure(EXIT.usage, 'The body is not permitted.', {
    file: path,
    permitted: 'one object, as YAML or JSON',
    problem: document.errors.map(error => error.message.split('\n')[0] ?? ''),
  });
}

function methodOf(client: AdminClient, operationId: keyof AdminClient): Method {
  return client[operationId] as unknown as Method;
}

/** Makes a change to the version that was named, or to the one that is there now. */
async function change({ operationId, reader, typed }: RunCall, client: AdminClient, args: Arguments) {
  const method = methodOf(client, operationId);
  if (typed.ifVersion !== undefined) return method({ ...args, version: typed.ifVersion });
  for (let attempt = 1; ; attempt += 1) {
    const { version } = (await read(client, reader, args)) as { readonly version: number };
    try {
      return await method({ ...args, version });
    } catch (error) {
      const isOvertaken = error instanceof ProblemError && error.code === 'version-changed';
      if (!isOvertaken || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

function read(client: AdminClient, reader: Verb | undefined, args: Arguments): Promise<unknown> {
  if (!reader) throw new Failure(EXIT.usage, 'Name the version that the change is made to: --if-version');
  const named = Object.fromEntries(reader.params.map(name => [name, args[name]]));
  return methodOf(client, reader.operationId as keyof AdminClient)(named);
}

/** Asks, on a terminal, whether this is meant; elsewhere nobody can be asked. */
async function assertMeant(
  { verb, reader, args }: RunCall,
  client: AdminClient,
  named: Arguments,
  url: string,
) {
  const { summary } = verb.call;
  if (!isTerminal()) throw new Failure(EXIT.usage, `${summary}: nobody can be asked here, so say --yes.`);
  const record = reader && ((await read(client, reader, named)) as { readonly name?: string });
  const name = record?.name === undefined ? '' : ` ${JSON.stringify(visibleText(record.name))}`;
  if (!(await askWhether(`${summary}: ${args.join(' ')}${name} at ${url}?`)))
    throw new Failure(EXIT.failed, 'Nothing was done.');
}

/** As many in a page as there may be: fewer requests. */
function largestPage({ verb }: RunCall): string | undefined {
  const query = verb.call.query && jsonOf(verb.call.query, 'input');
  return query?.properties?.['limit']?.wire?.maximum?.toString();
}

interface SecretFile {
  /** Writes the secret of an answer, and gives the rest. */
  keep(answer: unknown): unknown;
  /** Takes the file away again where there was no secret. */
  close(): void;
}

/** Made before the call, since a secret that cannot be written is lost. */
function openSecretFile(path: string): SecretFile {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(EXIT.usage, `The file for the secret cannot be made (${code}).`, {
      file: path,
      permitted: 'a file that is not there yet',
    });
  }
  let isKept = false;
  return {
    keep: answer => {
      const { secret, ...others } = answer as { readonly secret?: string };
      if (secret === undefined) return answer;
      writeSync(file, `${secret}\n`);
      isKept = true;
      return others;
    },
    close: () => {
      closeSync(file);
      if (!isKept) rmSync(path);
    },
  };
}
