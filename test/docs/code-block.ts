/**
 * A fenced code block of a page. What becomes of it stands after the language, where GitHub shows nothing:
 *
 * - `run` (sh): is run as it stands, in one shell a page and one folder, which looks like a checkout of this repository
 * - `start until=URL` (sh): is started, left running to the end of the page, and waited for until the URL answers
 * - `file=PATH`: is written to that file, for what follows to use, after it has been checked
 * - `output` (text): is what the block before it has just printed, to the letter
 * - `check`: is checked as far as its language goes: types, syntax, or for sh the syntax and the names of npm scripts
 * - `install` (sh): installs packages; the page's folder has ours, so each of them must be among them
 * - `by=PATH` (sh): each of its commands is run by that file, since it would run the test that reads this
 *
 * In `until`, `$NAME` is a variable of the environment.
 */
export interface CodeBlock {
  readonly language: string;
  readonly marks: ReadonlyMap<string, string>;
  readonly text: string;
  /** Where its fence opens, from 1. */
  readonly line: number;
}

const LANGUAGES: Readonly<Record<string, string>> = {
  bash: 'sh',
  console: 'sh',
  shell: 'sh',
  typescript: 'ts',
  javascript: 'js',
  mjs: 'js',
  yml: 'yaml',
  py: 'python',
  golang: 'go',
};

/** The code blocks of a page in Markdown, in order. Languages have one name each. */
export function readCodeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = markdown.split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const [, indent = '', fence, info = ''] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(lines[index] ?? '') ?? [];
    if (fence === undefined) continue;
    const line = index + 1;
    const text: string[] = [];
    const isEnd = (each: string): boolean =>
      each.trim().startsWith(fence) && each.trim().length === fence.length;
    for (index += 1; index < lines.length && !isEnd(lines[index] ?? ''); index += 1) {
      text.push((lines[index] ?? '').replace(indent, ''));
    }
    const [language = '', ...words] = info.trim().split(/\s+/);
    const name = language.toLowerCase();
    const marks = new Map(
      words.map(word => {
        const [key = '', ...value] = word.split('=');
        return [key, value.join('=')];
      }),
    );
    blocks.push({ language: LANGUAGES[name] ?? name, marks, text: `${text.join('\n')}\n`, line });
  }
  return blocks;
}
