import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import test from 'ava';
import { GENERATED_DOCS } from '../../src/cli/write-docs.ts';
import { loadConfig } from '../../src/config/index.ts';
import { permitted, rows, variablesOf } from '../../src/config/schema.ts';

const ROOT = join(import.meta.dirname, '../..');

for (const { path, render } of GENERATED_DOCS) {
  test(`${path} says what the code says (npm run docs writes it)`, async t => {
    t.is(readFileSync(join(ROOT, path), 'utf8'), await render());
  });
}

test('every setting has words for what it does, what is permitted and what happens without it', t => {
  for (const [property, setting] of rows()) {
    t.regex(setting.consequence, /^[A-Z].*[^.]\.$/, property);
    t.not(permitted(setting), '', property);
    t.not(setting.default === undefined, setting.whenAbsent === undefined, property);
  }
});

test('a whole number has its unit in its name', t => {
  for (const [property, setting] of rows()) {
    const isCount = permitted(setting).startsWith('a whole number') && !/port$/i.test(property);
    t.is(isCount, /(Seconds|Days|PerSecond|Connections)$/.test(property), property);
    if (isCount) t.regex(setting.name, /_(SECONDS|DAYS|PER_SECOND|CONNECTIONS)$/);
  }
});

test('docs/configuration.md has each variable, and .env.example each setting', t => {
  const page = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8');
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  for (const [, setting] of rows()) {
    const names = Object.values(variablesOf(setting));
    for (const name of names) t.true(page.includes(`\`${name}\``), name);
    t.is(names.filter(name => example.includes(`\n#${name}=`)).length, 1, setting.name);
  }
});

test('the defaults that .env.example shows are the defaults', t => {
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  t.deepEqual(parseEnv(example), {});
  const shown = parseEnv(example.replaceAll(/^#(COUNTERSIGN_\w+=.+)$/gm, '$1'));
  t.is(Object.keys(shown).length, rows().filter(([, setting]) => setting.default !== undefined).length);
  t.deepEqual(loadConfig(shown), loadConfig({}));
});

test('nothing but the loader reads a variable of the environment', t => {
  const reads =
    /process\.env\s*(\?\.|\.|\[)|\}\s*=\s*process\.env|\{[^}]*\benv\b[^}]*\}\s*from 'node:process'/;
  t.regex('process.env.X', reads);
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  );
  t.true(files.length > 10);
  t.deepEqual(
    files.filter(name => reads.test(readFileSync(join(ROOT, 'src', name), 'utf8'))),
    [],
  );
});
