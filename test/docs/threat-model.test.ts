/** What the threat model claims to be shown by a test, is the title of one. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import test from 'ava';

const ROOT = resolve(import.meta.dirname, '../..');
/** How a title may be written, beside the beginning of a call. */
const TITLE = /(?:test(?:\.serial)?|run|onEachStore|onTwoProcesses|whateverTheStore)\(\s*['"`]([^'"`]+)/g;

test('every test that the threat model names is there', async t => {
  const page = await readFile(join(ROOT, 'docs/threat-model.md'), 'utf8');
  const claims = [...page.matchAll(/`(test\/[\w/-]+\.test\.ts)` ([^|\n.]+)/g)];
  t.true(claims.length > 20, `${claims.length}`);
  for (const [, file = '', named = ''] of claims) {
    const source = await readFile(join(ROOT, file), 'utf8');
    const common = join(ROOT, file.replace(/-(?:mongo|sqlite)\.test\.ts$/, '.ts'));
    const shared = existsSync(common) ? await readFile(common, 'utf8') : '';
    const titles = [...`${source}\n${shared}`.matchAll(TITLE)].map(([, title = '']) => title);
    for (const prefix of named.split(', ').map(each => each.trim())) {
      t.true(
        titles.some(
          title => title.startsWith(prefix) || new RegExp(`\\b${prefix}\\b`).test(title.split(':')[0] ?? ''),
        ),
        `${file}: no test begins with ${prefix}`,
      );
    }
  }
});
