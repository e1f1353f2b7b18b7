/** Completion, in a real bash; the other shells' scripts are held to the same tree. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { commandsOf, pathOf } from '../../src/cli/command-tree.ts';
import { createProgram } from '../../src/cli/program.ts';
import { type Folder, makeFolder } from './run-cli.ts';

/** What bash offers after these words, the last of which is being typed. */
async function offered(t: ExecutionContext): Promise<(...words: string[]) => readonly string[]> {
  const folder = await makeFolder(t);
  const script = await writeScript(folder, 'bash');
  return (...words) => {
    const quoted = words.map(word => `'${word}'`).join(' ');
    const typed = `source '${script}'; COMP_WORDS=(countersign ${quoted}); COMP_CWORD=${words.length}; _countersign; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const shell = spawnSync('bash', ['--norc', '-c', typed], { cwd: folder.path, encoding: 'utf8' });
    t.is(existsSync(join(folder.path, 'evaluated')), false, 'nothing that was typed is evaluated');
    return shell.stdout.split('\n').filter(word => word !== '');
  };
}

async function writeScript(folder: Folder, shell: string): Promise<string> {
  const { stdout, code } = await folder.cli(['completion', shell]);
  if (code !== 0) throw new Error(`no completion for ${shell}`);
  const file = join(folder.path, `completion.${shell}`);
  writeFileSync(file, stdout);
  return file;
}

test('verbs, flags and the values that they take are completed', async t => {
  const complete = await offered(t);
  t.deepEqual(complete('ag'), ['agents']);
  t.deepEqual(complete('agents', 'k'), ['keys', 'kill']);
  t.deepEqual(complete('agents', 'secrets', 'r'), ['revoke']);
  t.deepEqual(complete('agents', 'list', '-o', ''), ['table', 'json', 'yaml']);
  t.deepEqual(complete('agents', 'list', '--output', 'j'), ['json']);
  t.deepEqual(complete('agents', 'list', '-o', 'json', '--al'), ['--all']);
  t.deepEqual(complete('agents', 'kill', 'agt_x', '--y'), ['--yes']);
  t.deepEqual(complete('completion', 'f'), ['fish']);
  t.true(complete('').includes('doctor'));
  // After a flag that takes anything, nothing is guessed.
  t.deepEqual(complete('agents', 'create', '--name', 'k'), []);
});

test('nothing that was typed is run by a press of TAB', async t => {
  const complete = await offered(t);
  t.deepEqual(complete('agents', 'kill', '$(touch evaluated)', '--y'), ['--yes']);
  t.deepEqual(complete('agents', '`touch evaluated`'), []);
});

test('every script has every verb, every flag, and the values of each', async t => {
  const folder = await makeFolder(t);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout, code } = await folder.cliHere(['completion', shell]);
    t.is(code, 0);
    for (const command of commandsOf(await createProgram())) {
      const path = pathOf(command);
      if (path.length > 0) t.true(stdout.includes(` ${path.join(' ')}`), `${shell}: ${path.join(' ')}`);
      for (const { long, argChoices } of command.options) {
        const flag = shell === 'fish' ? `-l ${long?.slice(2)}` : long;
        t.true(stdout.includes(flag ?? ''), `${shell}: ${long}`);
        if (argChoices) t.true(stdout.includes(argChoices.join(' ')), `${shell}: ${argChoices.join(' ')}`);
      }
    }
  }
  t.is((await folder.cliHere(['completion', 'powershell'])).code, 2);
});
