import { Command } from 'commander';
import { packageVersion } from '../process/package-version.ts';
import { commandsOf } from './command-tree.ts';
import { withConfigOption } from './config-option.ts';

const VERSION: readonly string[] = ['-V', '--version'];

/** A part of the command line, loaded only where it is asked for. */
interface Part {
  /** The words that it begins with. */
  readonly words: readonly string[];
  /**
   * Loads it and adds it.
   *
   * @param typed what only is asked for, beginning with one of its words; everything where absent
   */
  readonly add: (program: Command, typed?: readonly string[]) => Promise<unknown>;
}

/** All that there is, in the order of the help. */
const GROUPS: readonly { readonly heading: string; readonly parts: readonly Part[] }[] = [
  {
    heading: 'A server:',
    parts: [
      part('init', async () => (await import('./init.ts')).initCommand()),
      part('start', async () => withConfigOption((await import('./start.ts')).startCommand())),
      part('migrate', async () => withConfigOption((await import('./migrate.ts')).migrateCommand())),
      part('config', async () => (await import('./config.ts')).configCommand()),
      part('doctor', async () => withConfigOption((await import('./doctor/doctor.ts')).doctorCommand())),
      part('backup', async () => withConfigOption((await import('./backup.ts')).backupCommand())),
      part('restore', async () => withConfigOption((await import('./backup.ts')).restoreCommand())),
      part('quarantine', async () => withConfigOption((await import('./quarantine.ts')).quarantineCommand())),
      part('clock', async () => (await import('./clock.ts')).clockCommand()),
      part('admin', async () => (await import('./admin.ts')).adminCommand()),
    ],
  },
  {
    heading: 'Who you are to it:',
    parts: [
      part('login', async () => (await import('./login/login.ts')).loginCommand()),
      part('logout', async () => (await import('./login/profile-commands.ts')).logoutCommand()),
      part('whoami', async () => (await import('./login/profile-commands.ts')).whoamiCommand()),
      part('profiles', async () => (await import('./login/profile-commands.ts')).profilesCommand()),
    ],
  },
  {
    heading: 'What it governs, as files:',
    parts: [
      part('plan', async () => (await import('./as-code.ts')).planCommand()),
      part('apply', async () => (await import('./as-code.ts')).applyCommand()),
      part('export', async () => (await import('./as-code.ts')).exportCommand()),
      part('schema', async () => (await import('./as-code.ts')).schemaCommand()),
    ],
  },
  {
    heading: 'What it governs, one by one:',
    parts: [
      // Both before the calls, which join them, and are not needed where a verb is found without them.
      part('audit', async () => withConfigOption((await import('./audit.ts')).auditCommand())),
      part('people', async () => (await import('./people.ts')).peopleCommand()),
      {
        words: [
          'agents',
          'audit',
          'delegations',
          'elevations',
          'errors',
          'explain',
          'keys',
          'kills',
          'me',
          'people',
          'resources',
          'tokens',
        ],
        add: async (program, typed) => (await import('./calls/add-calls.ts')).addCalls(program, typed),
      },
    ],
  },
  {
    heading: 'And:',
    parts: [
      // No word of it is its own: what it completes is the whole.
      { words: [], add: async program => (await import('./completion.ts')).addCompletion(program) },
    ],
  },
];

/**
 * The command line, as a tree: it is run, it becomes `docs/cli.md`, and shells complete from it.
 *
 * @param typed what was typed: only what its first words lead to has to be there, and is loaded; the whole where they lead nowhere
 */
export async function createProgram(typed: readonly string[] = []): Promise<Command> {
  const program = new Command('countersign')
    .description('An OAuth 2.1 authorization server made for AI agents.')
    .version(packageVersion(), VERSION.join(', '), 'show the version')
    .showHelpAfterError('(--help shows what is possible)');
  const [word = ''] = typed;
  const isWhole = !isKnown(word);
  for (const { heading, parts } of GROUPS) {
    program.commandsGroup(heading);
    for (const { words, add } of parts) {
      if (isWhole) await add(program);
      else if (words.includes(word) && !leadsToVerb(program, typed)) await add(program, typed);
    }
  }
  for (const { commands } of commandsOf(program)) {
    for (const group of commands) {
      const [only, ...more] = group.commands;
      // What it is one of says less than what it does.
      if (only && more.length === 0 && only.summary() !== '') group.description(only.summary());
    }
  }
  program.helpCommand('help [command]', 'display help for a command');
  for (const command of commandsOf(program)) command.exitOverride();
  return program;
}

/** Whether what stands below a word can be told without the rest. */
function isKnown(word: string): boolean {
  return (
    VERSION.includes(word) || GROUPS.some(({ parts }) => parts.some(({ words }) => words.includes(word)))
  );
}

function leadsToVerb(command: Command, [word, ...more]: readonly string[]): boolean {
  const next = command.commands.find(each => each.name() === word);
  return next !== undefined && (next.commands.length === 0 || leadsToVerb(next, more));
}

function part(word: string, load: () => Promise<Command>): Part {
  return { words: [word], add: async program => program.addCommand(await load()) };
}
