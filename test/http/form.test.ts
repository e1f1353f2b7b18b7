import test from 'ava';
import fc from 'fast-check';
import { Refused } from '../../src/errors.ts';
import { parseForm } from '../../src/http/form.ts';

/** What forms are made of, and what a parser trips over. */
const piece = fc.oneof(
  fc.constantFrom('a', 'b', 'resource', 'scope', '&', '=', '+', '?', '#', ';', ' ', '\n', '\0', '\ufeff'),
  fc.constantFrom(
    '%',
    '%4',
    '%41',
    '%zz',
    '%2B',
    '%26',
    '%3D',
    '%C3%A9',
    '%c3%a9',
    '%FF',
    '%C3',
    '%00',
    '%ED%A0%80',
  ),
  fc.constantFrom('__proto__', 'é', '😀', '%F0%9F%98%80', '%EF%BB%BF'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
/** As a body arrives: bytes, read as UTF-8. */
const body = fc.array(piece, { maxLength: 24 }).map(pieces => Buffer.from(pieces.join('')).toString());

test('WHATWG URL 5.1: a form is read as the platform reads it, whatever its bytes are', t => {
  fc.assert(
    fc.property(body, text => {
      const expected = readByPlatform(text);
      let form: ReturnType<typeof parseForm>;
      try {
        form = parseForm(text);
      } catch (error) {
        t.is(expected, error instanceof Refused ? error.reason : error);
        return;
      }
      if (typeof expected === 'string') return t.fail(`${JSON.stringify(text)} was read`);
      for (const [name, values] of expected) {
        t.deepEqual(form.getAll(name), values);
        t.is(form.get(name), values[0]);
      }
      t.is(form.get('never sent'), undefined);
    }),
    { numRuns: 2_000 },
  );
});

/** The rules of `parseForm` over the platform's own parser. */
function readByPlatform(text: string): ReadonlyMap<string, string[]> | string {
  const fields = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const known = fields.get(name);
    if (known && name !== 'resource') return 'duplicate-parameter';
    fields.set(name, [...(known ?? []), ...(value === '' ? [] : [value])]);
  }
  return fields;
}
