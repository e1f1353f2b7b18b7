import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'ava';
import { PAGE_REFUSALS } from '../../src/http/page-refusals.ts';
import { DE } from '../../src/pages/messages-de.ts';
import { EN } from '../../src/pages/messages-en.ts';
import { chooseLanguage, wordsIn } from '../../src/pages/words.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const sources = globSync(['views/**/*.eta', 'src/pages/*.ts'], { cwd: ROOT })
  .filter(path => !path.includes('messages-'))
  .map(path => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n');
const placeholders = (text: string): readonly string[] => (text.match(/\{\w+\}/g) ?? []).toSorted();

test('every text is there in every language, with the same values to put in, and none is left in English', t => {
  t.deepEqual(Object.keys(DE), Object.keys(EN));
  const same = Object.entries(EN).filter(([key, text]) => DE[key as keyof typeof EN] === text);
  t.deepEqual(
    same.map(([key]) => key),
    ['product', 'enrol.name', 'me.passkeys'],
  );
  for (const [key, text] of Object.entries(EN)) {
    t.deepEqual(placeholders(DE[key as keyof typeof EN]), placeholders(text), key);
    t.regex(text, /\S/);
  }
});

test('every text is used, every text that is used is there, and there is one for each refusal', t => {
  const unused = Object.keys(EN).filter(key => {
    if (/^(?:refused|me\.status|consent\.risk|approval\.risk)\./.test(key)) return false;
    return !sources.includes(`'${key}'`) && !sources.includes(`'${key.replace(/^me\./, '')}'`);
  });
  t.deepEqual(unused, []);
  for (const view of globSync('views/**/*.eta', { cwd: ROOT })) {
    const text = readFileSync(join(ROOT, view), 'utf8');
    for (const [, key = ''] of text.matchAll(/\bt\('([^']+[^'.])'/g))
      t.true(Object.hasOwn(EN, key), `${view}: ${key}`);
    // Whatever is shown goes through the catalogue: between tags there is no text of its own.
    const bare = text.replace(/<%[\s\S]*?%>/g, '').replace(/<[^>]*>/g, '');
    t.regex(bare, /^[\s·:]*$/, view);
  }
  const refused = Object.keys(EN).filter(key => key.startsWith('refused.'));
  t.deepEqual(
    refused.map(key => key.slice('refused.'.length)).toSorted(),
    Object.keys(PAGE_REFUSALS).toSorted(),
  );
});

test('the language is the first that the browser asks for and that there is', t => {
  t.is(chooseLanguage(undefined), 'en');
  t.is(chooseLanguage('de-AT,de;q=0.9,en;q=0.8'), 'de');
  t.is(chooseLanguage('fr, en;q=0.4, de;q=0.6'), 'de');
  t.is(chooseLanguage('de;q=0, en'), 'en');
  t.is(chooseLanguage('fr de'), 'de');
  t.is(chooseLanguage(`${'x,'.repeat(5_000)}de`), 'en');
});

test('so long is said in minutes and seconds, whatever it is', t => {
  const [en, de] = [wordsIn('en'), wordsIn('de')];
  t.deepEqual(
    [0, 1, 59, 60, 61, 120, 900].map(seconds => en.span(seconds)),
    ['0 seconds', '1 second', '59 seconds', '1 minute', '1 minute, 1 second', '2 minutes', '15 minutes'],
  );
  t.deepEqual(
    [60, 125].map(seconds => de.span(seconds)),
    ['1 Minute', '2 Minuten, 5 Sekunden'],
  );
});
