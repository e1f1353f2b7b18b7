import { Argument, type Command, Option } from 'commander';
import { commandsOf, pathOf } from './command-tree.ts';
import { write } from './output.ts';

/**
 * Completion for shells, made from the tree of commands as a script that needs nothing but the shell: no process is started at
 * a press of TAB, and nothing that was typed is evaluated.
 */

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;
type Shell = keyof typeof SHELLS;

/** `countersign completion SHELL`. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('Write a script for a shell that completes verbs, flags and the values they take')
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
Examples:
  countersign completion bash > ~/.local/share/bash-completion/completions/countersign
  countersign completion zsh > ~/.zfunc/_countersign   # a directory of fpath, before compinit
  countersign completion fish > ~/.config/fish/completions/countersign.fish`,
    )
    .action((shell: Shell) => write(SHELLS[shell](program)));
}

/** What may come next at a command. */
interface Place {
  /** The words that lead to it, each with a space before it; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly Described[];
  readonly flags: readonly Flag[];
  /** What its arguments may be. */
  readonly takes: Values;
}
interface Described {
  readonly name: string;
  readonly about: string;
}
interface Flag {
  readonly names: readonly string[];
  readonly about: string;
  /** Undefined for a flag without a value. */
  readonly takes: Values | undefined;
}
/** The only values there are, a file, or anything. */
type Values = readonly string[] | 'file' | 'anything';

function placesOf(program: Command): readonly Place[] {
  return commandsOf(program).map(command => ({
    path: pathOf(command)
      .map(word => ` ${word}`)
      .join(''),
    commands: command.commands.map(each => ({
      name: each.name(),
      about: aboutOf(each.summary() || each.description()),
    })),
    flags: [...command.options, new Option('-h, --help', 'display help for command')].map(option => ({
      names: [option.short, option.long].filter(name => name != null),
      about: aboutOf(option.description),
      takes: option.required || option.optional ? valuesOf(option.argChoices, option.flags) : undefined,
    })),
    takes: argumentsOf(command),
  }));
}

function argumentsOf({ registeredArguments }: Command): Values {
  const [first] = registeredArguments;
  return first ? valuesOf(first.argChoices, `<${first.name()}>`) : [];
}

function valuesOf(choices: readonly string[] | undefined, written: string): Values {
  if (choices) return choices;
  return /<file(\.\.\.)?>/.test(written) ? 'file' : 'anything';
}

/** A line beside a word: its first sentence, without what shells would read. */
function aboutOf(text: string): string {
  return (text.split(/(?<=[^.])\.(?: |$)|[;:]/)[0] ?? '').replaceAll(/['"`\\$[\]]/g, '').trim();
}

function bashScript(program: Command): string {
  const places = placesOf(program);
  return `# countersign: completion for bash
_countersign() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at='' words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${knownPaths(places)}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${flagCases(places, {
  file: 'compopt -o default; return',
  anything: 'return',
  values: values => `COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur")); return`,
  open: '    ',
})}
  esac
  case "$at" in
${places
  .map(({ path, commands, flags, takes }) => {
    const words = [
      ...commands.map(({ name }) => name),
      ...(Array.isArray(takes) ? takes : []),
      ...flags.flatMap(({ names }) => names.filter(name => name.startsWith('--'))),
    ];
    const files = takes === 'file' ? ' compopt -o default;' : '';
    return `    '${path}')${files} words='${words.join(' ')}' ;;`;
  })
  .join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _countersign countersign
`;
}

function zshScript(program: Command): string {
  const places = placesOf(program);
  const item = (name: string, about: string): string => `'${name.replaceAll(':', '\\:')}:${about}'`;
  return `#compdef countersign
# countersign: completion for zsh
_countersign() {
  local at='' i
  local -a verbs flags
  for ((i = 2; i < CURRENT; i++)); do
    case "$at $words[i]" in
      (${knownPaths(places)}) at="$at $words[i]" ;;
    esac
  done
  case "$at $words[CURRENT-1]" in
${flagCases(places, {
  file: '_files; return',
  anything: 'return',
  values: values => `compadd -- ${values.join(' ')}; return`,
  open: '    (',
})}
  esac
  case "$at" in
${places
  .map(({ path, commands, flags, takes }) => {
    const verbs = [
      ...commands.map(({ name, about }) => item(name, about)),
      ...(Array.isArray(takes) ? takes.map(value => item(value, '')) : []),
    ];
    const typed = flags.flatMap(({ names, about }) => names.map(name => item(name, about)));
    const files = takes === 'file' ? ' _files;' : '';
    return `    ('${path}')${files} verbs=(${verbs.join(' ')}); flags=(${typed.join(' ')}) ;;`;
  })
  .join('\n')}
  esac
  _describe -t verbs verb verbs
  [[ $words[CURRENT] == -* ]] && _describe -o -t flags flag flags
  return 0
}
if [[ $funcstack[1] == _countersign ]]; then _countersign; else compdef _countersign countersign; fi
`;
}

function fishScript(program: Command): string {
  const places = placesOf(program);
  const lines = places.flatMap(({ path, commands, flags, takes }) => {
    const here = `complete -c countersign -n '__countersign_at "${path}"'`;
    return [
      ...commands.map(({ name, about }) => `${here} -a ${name} -d '${about}'`),
      ...(Array.isArray(takes) && takes.length > 0 ? [`${here} -a '${takes.join(' ')}'`] : []),
      ...(takes === 'file' ? [`${here} -F`] : []),
      ...flags.map(({ names, about, takes: value }) => {
        const typed = names.map(name =>
          name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
        );
        return `${here} ${typed.join(' ')}${fishValue(value)} -d '${about}'`;
      }),
    ];
  });
  return `# countersign: completion for fish
set -g __countersign_paths ${places
    .slice(1)
    .map(({ path }) => `'${path}'`)
    .join(' ')}
function __countersign_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        if contains -- "$at $word" $__countersign_paths
            set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c countersign -f
${lines.join('\n')}
`;
}

function fishValue(takes: Values | undefined): string {
  if (takes === undefined) return '';
  if (takes === 'file') return ' -r -F';
  return takes === 'anything' ? ' -x' : ` -xa '${takes.join(' ')}'`;
}

/** Where one more word leads to another command, as a pattern of bash and zsh. */
function knownPaths(places: readonly Place[]): string {
  return places
    .slice(1)
    .map(({ path }) => `'${path}'`)
    .join('|');
}

interface CaseWords {
  readonly file: string;
  readonly anything: string;
  readonly values: (values: readonly string[]) => string;
  /** How a case begins. */
  readonly open: string;
}

/** What comes after a flag that takes a value. */
function flagCases(places: readonly Place[], { file, anything, values, open }: CaseWords): string {
  return places
    .flatMap(({ path, flags }) =>
      flags.flatMap(({ names, takes }) => {
        if (takes === undefined) return [];
        const pattern = names.map(name => `'${path} ${name}'`).join('|');
        const then = takes === 'file' ? file : takes === 'anything' ? anything : values(takes);
        return [`${open}${pattern}) ${then} ;;`];
      }),
    )
    .join('\n');
}
