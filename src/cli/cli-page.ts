import type { EventEmitter } from 'node:events';
import type { Command, Option } from 'commander';
import { COMMAND_LINE_NAMES } from '../config/index.ts';
import { commandsOf, pathOf } from './command-tree.ts';
import { EXIT } from './failure.ts';
import { createProgram } from './program.ts';

const EXIT_CODES = {
  done: 'It is done.',
  failed: 'It was refused, it failed, or something wrong was found.',
  usage: 'What was typed, a file that it names, or the configuration is not permitted. Nothing was done.',
  notPermitted: 'Nobody is signed in, the credentials are not accepted, or they do not permit this.',
  notFound: 'There is no such record.',
  unreachable: 'The server cannot be reached, or cannot answer now. Trying again is worth while.',
  differs: 'There is a difference, where it was asked to tell so (`plan --detailed-exitcode`).',
} as const satisfies Record<keyof typeof EXIT, string>;

/** Told once, above, and not with each verb. */
const COMMON = ['--help', '--profile', '--output', '--config'];

/** `docs/cli.md`, written from the tree of commands. */
export async function renderCliPage(): Promise<string> {
  const program = await createProgram();
  const verbs = commandsOf(program).filter(command => command.commands.length === 0);
  const { url, clientId, clientSecret, clientSecretFile, profile } = COMMAND_LINE_NAMES;
  return `# The command line

\`countersign\` starts and looks after a server, and has a verb for every call of the admin API. \`countersign VERB --help\` says
what is on this page.

## Signing in

\`\`\`sh check
countersign login --url https://auth.example.com --credentials admin.json
countersign whoami
\`\`\`

Which server is called, and as whom, is taken from the first of these that says so:

1. \`--profile NAME\`: a profile that \`countersign login\` made. Profiles are in \`countersign/profiles.json\` below
   \`XDG_CONFIG_HOME\`, or else \`~/.config\`. A file that others can read is refused.
2. The environment: \`${url}\`, \`${clientId}\`, and \`${clientSecret}\` or \`${clientSecretFile}\`.
3. \`${profile}\`: a profile by name.
4. The current profile: the one of the last \`login\` or \`profiles use\`.
5. The server that this folder's settings start, with the bootstrap client that its first start made, if that server is on this
   machine and nobody else listens on its port. It is there to begin with: make an agent of your own for everyday work.

A secret is never an argument, because other users of a machine can see those, and is never shown. Each call is made with a token
for the one scope that it needs. An authority of your own for TLS is named in \`NODE_EXTRA_CA_CERTS\`.

## What comes out

- \`-o table\`, \`json\` or \`yaml\`: a table on a terminal, JSON elsewhere. JSON is what the API answers: names stay, members may
  be added. On a terminal a table has as many columns as fit.
- Everything else goes to standard error: warnings, progress, questions, errors. With \`-o json\` an error is JSON too:
  \`{"error": {"message": …, "exitCode": …}}\`.
- A list gives one page; \`--all\` gives every page, in the same form.
- An error says what was at fault, what was sent, what is permitted, its reference, and where its page is.
  \`countersign errors REFERENCE\` finds the cause.
- Verbs that kill or retire ask first. Where there is no terminal, say \`--yes\`.
- A change is made to the record as it is at that moment. \`--if-version\` refuses it if the record has changed since it was read.
- \`NO_COLOR\` turns colours off; they are off anyway where no terminal is.

| Exit code | Meaning |
|---|---|
${Object.entries(EXIT_CODES)
  .map(([name, meaning]) => `| ${EXIT[name as keyof typeof EXIT]} | ${meaning} |`)
  .join('\n')}

\`\`\`sh check
countersign agents list --all -o json | jq -r '.items[] | select(.status == "active") | .id'
countersign agents update agt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --file changes.yaml --if-version 3
countersign completion bash > ~/.local/share/bash-completion/completions/countersign
\`\`\`

Verbs that read the settings of the server take \`--config FILE\`, a YAML file of settings; see
[configuration.md](configuration.md). Without it they take what \`COUNTERSIGN_CONFIG_FILE\` names, and the environment.

## Verbs

${verbs.map(listEntry).join('\n')}

${verbs.map(section).join('\n')}
This page is made from \`src/cli/\` by \`npm run docs\`.
`;
}

function listEntry(command: Command): string {
  const words = pathOf(command).join(' ');
  return `- [\`${words}\`](#${words.replaceAll(' ', '-')}): ${sentence(command.summary() || command.description())}`;
}

function section(command: Command): string {
  const usage = command.usage().replace('[options]', '').trim();
  const { notes, examples } = afterHelpOf(command);
  const options = command.options.filter(({ long, hidden }) => !hidden && !COMMON.includes(long ?? ''));
  const parts = [
    `### ${pathOf(command).join(' ')}`,
    usage === '' ? '' : `\`countersign ${pathOf(command).join(' ')} ${usage}\``,
    sentence(command.description()),
    [
      ...command.registeredArguments.map(each => `- \`<${each.name()}>\`: ${cell(each.description)}`),
      ...options.map(optionEntry),
    ].join('\n'),
    notes,
    `\`\`\`sh check\n${examples}\n\`\`\``,
  ];
  return `${parts.filter(part => part !== '').join('\n\n')}\n`;
}

function optionEntry({ flags, description, argChoices, mandatory }: Option): string {
  const choices = argChoices ? ` One of: ${argChoices.map(each => `\`${each}\``).join(', ')}.` : '';
  return `- \`${flags}\`: ${cell(description)}${mandatory ? ' Required.' : ''}${choices}`;
}

/** What stands below the options in the help: notes, and examples. */
function afterHelpOf(command: Command): { readonly notes: string; readonly examples: string } {
  let text = '';
  // What `addHelpText` was given is kept by its listeners alone; Commander's types do not say that it is an emitter.
  (command as unknown as EventEmitter).emit('afterHelp', {
    error: false,
    command,
    write: (part: string) => {
      text += part;
    },
  });
  const [notes = '', examples = ''] = text.split(/^Examples?:$/m);
  return {
    notes: notes.trim().replaceAll('\n', ' '),
    examples: examples.replaceAll(/^ {2}/gm, '').trim(),
  };
}

/** What Markdown would take for a tag, as it was meant. */
function cell(text: string): string {
  const shown = text.replaceAll('<', '&lt;');
  return sentence(shown);
}

function sentence(text: string): string {
  if (/^[a-z]/.test(text)) return sentence(text.charAt(0).toUpperCase() + text.slice(1));
  return text === '' || /[.!?)]$/.test(text) ? text : `${text}.`;
}
