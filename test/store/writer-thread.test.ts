/** The thread that writes has a heap of its own, and is there from the first moment: it loads what it needs and nothing else. */
import { readFile } from 'node:fs/promises';
import test from 'ava';

const IMPORT = /^import (?!type )[^;]*?from '([^']+)';/gms;
const TYPES_ONLY = /^import \{(?:\s*type \w+,?)+\s*\} from/;

/** Everything that a file brings along when it is loaded. */
async function loadedBy(file: URL, known = new Map<string, string>()): Promise<Map<string, string>> {
  const text = await readFile(file, 'utf8');
  for (const [statement, specifier = ''] of text.matchAll(IMPORT)) {
    if (TYPES_ONLY.test(statement)) continue;
    const target = specifier.startsWith('.') ? new URL(specifier, file).href : specifier;
    if (known.has(target)) continue;
    known.set(target, file.href);
    if (specifier.startsWith('.')) await loadedBy(new URL(target), known);
  }
  return known;
}

test('it loads no package, and of capabilities what says how records and events are filed', async t => {
  const src = new URL('../../src/', import.meta.url).href;
  const loaded = await loadedBy(new URL('store/sqlite/writer-thread.ts', src));
  const packages = [...loaded].filter(([target]) => !/^(?:node|file):/.test(target));
  t.deepEqual(packages, []);
  const indexes = [...loaded].filter(([target]) => target.endsWith('/index.ts'));
  t.deepEqual(indexes, [], 'an index brings a whole capability along');
  t.true(loaded.size > 15, `${loaded.size} modules`);
});
