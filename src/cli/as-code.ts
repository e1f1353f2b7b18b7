import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { Command, Option } from 'commander';
import pc from 'picocolors';
import { ADMIN_SCOPES } from '../admin-api/index.ts';
import {
  type ApplyReport,
  applyPlan,
  documentsJsonSchema,
  exportDocuments,
  formatProblem,
  nameOf,
  type Plan,
  type Problem,
  type Prune,
  planFleet,
  readDocuments,
  readFleet,
  type SourceFile,
  showPlan,
} from '../as-code/index.ts';
import { type AdminClient, createClient, ProblemError } from '../client/index.ts';
import { visibleText } from '../text/index.ts';
import { EXIT, Failure } from './failure.ts';
import { findServer } from './login/find-server.ts';
import type { FoundServer } from './login/profiles.ts';
import { write } from './output.ts';
import { patientFetch } from './patient-fetch.ts';
import { showProgress } from './progress.ts';
import { askWhether, isTerminal } from './prompt.ts';
import { openSecretsFile } from './secrets-file.ts';

/** Of one request, the time included for which the server asks to wait. */
const TIMEOUT_MS = 180_000;

interface FileOptions {
  readonly file: readonly string[];
  readonly prune?: Exclude<Prune, 'none'>;
  readonly output: 'text' | 'json';
  readonly profile?: string;
}

interface PlanOptions extends FileOptions {
  readonly detailedExitcode?: true;
}

interface ApplyOptions extends FileOptions {
  readonly yes?: true;
  readonly secretsOut?: string;
}

interface ExportOptions {
  readonly file?: readonly string[];
  readonly out?: string;
  readonly schema: string;
  readonly profile?: string;
}

/** `countersign plan`. */
export function planCommand(): Command {
  return withFileOptions(new Command('plan'))
    .description('Show what `apply` would change, and change nothing')
    .option('--detailed-exitcode', `exit with ${EXIT.differs} where there is something to change`)
    .addHelpText(
      'after',
      `
Exit codes: 0 the plan was made, ${EXIT.usage} the files are not right; every problem is told with its line.

Examples:
  countersign plan -f fleet/
  countersign plan -f fleet/ --detailed-exitcode   # in a nightly job: has anybody changed something by hand?`,
    )
    .action(plan);
}

/** `countersign apply`. */
export function applyCommand(): Command {
  return withFileOptions(new Command('apply'))
    .description('Make the server what the files say')
    .option('-y, --yes', 'do not ask; needed where there is no terminal')
    .option(
      '--secrets-out <file>',
      'where the secrets of new records go, one JSON object a line; only you can read it',
    )
    .addHelpText(
      'after',
      `
It shows the plan and asks. Files with a problem change nothing. A record that somebody changes after the plan was made is left
alone. Applied again it changes nothing; after an interruption it does the rest.

Examples:
  countersign apply -f fleet/ --secrets-out secrets.jsonl
  countersign apply -f fleet/ --prune --yes`,
    )
    .action(apply);
}

/** `countersign export`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('Write the records of the server as files that `plan` finds nothing to change in')
    .option('-f, --file <path...>', 'files or folders in which records have keys: they keep them')
    .option('--out <file>', 'where it goes; standard output where absent')
    .option('--schema <url>', 'where editors find the JSON Schema', './countersign.schema.json')
    .addOption(profileOption())
    .addHelpText(
      'after',
      '\nExamples:\n  countersign export > fleet.yaml\n  countersign export -f fleet.yaml --out fleet.yaml',
    )
    .action(exportFleet);
}

/** `countersign schema`. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('Write the JSON Schema of the files, for editors')
    .addHelpText('after', '\nExample:\n  countersign schema > countersign.schema.json')
    .action(() => write(`${JSON.stringify(documentsJsonSchema(), undefined, 2)}\n`));
}

function withFileOptions(command: Command): Command {
  return command
    .requiredOption(
      '-f, --file <path...>',
      'files, or folders with .yaml and .yml files; - for standard input',
    )
    .addOption(
      new Option(
        '--prune [which]',
        'stop what no file describes: of what was made from files (files), or of everything (all)',
      )
        .choices(['files', 'all'])
        .preset('files'),
    )
    .addOption(profileOption())
    .addOption(
      new Option('-o, --output <format>', 'how it is shown').choices(['text', 'json']).default('text'),
    );
}

function profileOption(): Option {
  return new Option('-p, --profile <name>', 'a server that you are signed in to; see `countersign login`');
}

async function plan(options: PlanOptions): Promise<void> {
  const made = await makePlan(options, findServer(options.profile));
  await print(options, made.plan);
  if (options.detailedExitcode && made.plan.changes.length > 0) process.exitCode = EXIT.differs;
}

async function apply(options: ApplyOptions): Promise<void> {
  const server = findServer(options.profile);
  if (!options.yes && (!isTerminal() || options.file.includes('-')))
    throw new Failure(
      EXIT.usage,
      'Nobody can be asked here, so say --yes; `countersign plan` shows what would be done.',
    );
  const { plan } = await makePlan(options, server);
  if (options.output === 'text') await print(options, plan);
  if (plan.changes.length === 0) {
    if (options.output === 'json') await writeReport(options, plan, { done: [], failed: [], untried: [] });
    return;
  }
  const secretive = plan.changes.filter(change => change.action === 'create' && change.makesSecret);
  if (secretive.length > 0 && options.secretsOut === undefined) {
    throw new Failure(
      EXIT.usage,
      'New records get secrets, which are shown once: say where they go. Nothing was changed.',
      {
        records: secretive.map(nameOf),
        mend: [
          '--secrets-out FILE',
          'or give an agent a key of its own (credential: method: private_key_jwt)',
        ],
      },
    );
  }
  if (!options.yes && !(await askWhether(`Make these changes at ${server.url}?`)))
    throw new Failure(EXIT.failed, 'Nothing was changed.');
  const client = openFor(server, plan);
  const secrets = options.secretsOut === undefined ? undefined : openSecretsFile(options.secretsOut);
  const showDone = showProgress();
  let report: ApplyReport;
  try {
    report = await applyPlan(client, plan, {
      keepSecret: secret => secrets?.keep({ issuer: server.url, ...secret }),
      onProgress: done => showDone('applying', done),
    });
  } finally {
    secrets?.close();
  }
  await writeReport(options, plan, report);
}

async function exportFleet({ file = [], out, schema, profile }: ExportOptions): Promise<void> {
  const known = readDocuments(readSources(file));
  failOver(known.problems, 'text');
  const text = exportDocuments(await readFleet(open(findServer(profile))), known.documents, schema);
  if (out === undefined) await write(text);
  else writeFileSync(out, text);
}

async function makePlan(options: FileOptions, server: FoundServer): Promise<{ readonly plan: Plan }> {
  const read = readDocuments(readSources(options.file));
  if (read.documents.length + read.problems.length === 0)
    throw new Failure(EXIT.usage, 'There is no document in the files.', { files: options.file });
  let fleet: Awaited<ReturnType<typeof readFleet>>;
  try {
    fleet = await readFleet(open(server));
  } catch (error) {
    // What is wrong in the files is worth more than that the server cannot be asked.
    failOver(read.problems, options.output);
    throw error;
  }
  const plan = planFleet({
    read,
    fleet,
    prune: options.prune ?? 'none',
    callerId: server.clientId,
    now: Date.now(),
  });
  if ('problems' in plan) throw failure(plan.problems, options.output);
  return { plan };
}

/** @throws {Failure} when there are problems */
function failOver(problems: readonly Problem[], output: 'text' | 'json'): void {
  if (problems.length > 0) throw failure(problems, output);
}

/** What editors read, on lines of its own, before what is said of it. */
function failure(problems: readonly Problem[], output: 'text' | 'json'): Failure {
  const lines = problems.map(formatProblem);
  if (output === 'text') process.stderr.write(`${lines.map(visibleText).join('\n')}\n`);
  const count = problems.length === 1 ? 'One problem' : `${problems.length} problems`;
  return new Failure(EXIT.usage, `${count} in the files; nothing was changed.`, {
    ...(output === 'json' && { problems: lines }),
  });
}

function open({ url, clientId, clientSecret }: FoundServer): AdminClient {
  return createClient({ issuer: url, clientId, clientSecret, fetch: patientFetch(), timeoutMs: TIMEOUT_MS });
}

/** A client whose tokens hold, together, what the plan gives away of the admin API; each call's own scope otherwise. */
function openFor(server: FoundServer, { adminScopes, changes }: Plan): AdminClient {
  if (adminScopes.length === 0) return open(server);
  const needed = new Set(['read', 'agents', ...adminScopes]);
  if (changes.some(({ kind, action }) => kind === 'Person' && action !== 'kill')) needed.add('people');
  if (changes.some(change => change.action === 'kill')) needed.add('kill');
  const { url, clientId, clientSecret } = server;
  const scopes = ADMIN_SCOPES.filter(scope => needed.has(scope));
  return createClient({
    issuer: url,
    clientId,
    clientSecret,
    scopes,
    fetch: patientFetch(),
    timeoutMs: TIMEOUT_MS,
  });
}

async function print({ output }: FileOptions, plan: Plan): Promise<void> {
  if (output === 'json') return write(`${JSON.stringify(plan)}\n`);
  const isColoured = process.stdout.isTTY === true && pc.isColorSupported;
  await write(`${showPlan(plan, pc.createColors(isColoured))}\n`);
}

/** @throws {Failure} when not everything was done; what is no refusal of a single record is thrown as it is */
async function writeReport(
  { output }: FileOptions,
  plan: Plan,
  { done, failed, untried }: ApplyReport,
): Promise<void> {
  const problems = failed.map(({ change, error }) => `${nameOf(change)}: ${inWords(error)}`);
  if (output === 'json') {
    const count = { done: done.length, failed: failed.length, untried: untried.length };
    await write(`${JSON.stringify({ ...count, changes: done, problems })}\n`);
  }
  if (failed.length === 0) {
    if (output === 'text') await write(`Done: ${plan.changes.length} of ${plan.changes.length}.\n`);
    return;
  }
  const told = `${done.length} of ${plan.changes.length} changes were made; apply again to do the rest.`;
  const other = failed.find(({ error }) => !(error instanceof ProblemError));
  if (other) {
    process.stderr.write(`${told}\n`);
    throw other.error;
  }
  throw new Failure(EXIT.failed, told, { failed: problems, untried: untried.map(nameOf) });
}

function inWords(error: unknown): string {
  if (error instanceof ProblemError && error.code === 'version-changed')
    return 'it was changed after the plan was made; left alone';
  return error instanceof Error ? error.message : String(error);
}

/** The files that are meant, in a fixed order; folders whole, but for what is hidden in them. */
function readSources(paths: readonly string[]): readonly SourceFile[] {
  return paths.flatMap(path => {
    if (path === '-') return [{ file: '<stdin>', text: readText(0, path) }];
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    return (isFolder ? filesIn(path) : [path]).map(file => ({ file, text: readText(file, file) }));
  });
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => /\.ya?ml$/.test(path) && !path.split(sep).some(part => part.startsWith('.')))
    .toSorted()
    .map(path => join(folder, path))
    .filter(path => statSync(path).isFile());
}

function readText(file: string | number, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(EXIT.usage, `The file cannot be read (${code}).`, { file: name });
  }
}
