/** I17 and I11: what a caller has sent is text on one line, bounded, and no secret. */
import test from 'ava';
import fc from 'fast-check';
import { newClientSecret } from '../../src/clients/index.ts';
import { newId } from '../../src/ids.ts';
import { parseInput } from '../../src/input/index.ts';
import { personInput } from '../../src/people/person-input.ts';
import { untrustedText, visibleText, withoutSecrets } from '../../src/text/index.ts';
import { newOpaqueToken } from '../../src/tokens/access-token-value.ts';
import { SEED } from '../audit/real-trail.ts';

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]/u;

test('whatever is sent becomes one line of bounded length in which everything can be seen', t => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 600 }),
      fc.integer({ min: 1, max: 200 }),
      (text, max) => {
        const clean = untrustedText(text, max);
        t.notRegex(clean, UNSEEN);
        t.true(clean.length <= max);
        t.true(clean.isWellFormed());
        t.is(untrustedText(clean, max), clean);
      },
    ),
    { numRuns: 1_000, seed: SEED },
  );
});

test('what can be seen is left as it is; white space becomes one space; what is cut says so', t => {
  for (const text of ['agt_1', 'Zoë', '日本語', '🔒 locked', 'a=b "c"']) t.is(untrustedText(text), text);
  t.is(untrustedText(' a\r\n\tb\u0085c\u2028d\u00a0 e '), 'a b c d e');
  t.is(untrustedText('a\u0000b\u202ec\u200bd\u001b[31me\ufeff'), 'abcd[31me');
  t.is(untrustedText('x'.repeat(200), 10), `${'x'.repeat(9)}…`);
  t.is(untrustedText('🔒'.repeat(10), 4), '🔒…');
  // However much is sent, little of it is looked at.
  t.is(untrustedText(`${' '.repeat(5_000_000)}x`, 10), '…');
});

test('I11: whatever stands around it, a secret that we have made is withheld, and its surroundings are told', t => {
  const secrets = [
    newClientSecret,
    () => newOpaqueToken(Date.now()).value,
    () =>
      Buffer.from(`agt_${'0'.repeat(32)}:${newClientSecret()}`)
        .toString('base64')
        .replace(/=+$/, ''),
    () => `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${'e30'}.${newClientSecret()}`,
  ];
  for (let index = 0; index < 2_000; index += 1) {
    for (const make of secrets) {
      const secret = make();
      for (const [before, after] of [
        ['', ''],
        ['read ', ' write'],
        ['https://mcp.example/', '/x'],
        ['"', '"'],
        ['=', '&'],
      ]) {
        t.is(withoutSecrets(`${before}${secret}${after}`), `${before}[withheld]${after}`);
      }
    }
  }
});

test('names, identifiers, addresses and public facts stay readable', t => {
  for (const text of [
    newId('agt', Date.now()),
    crypto.randomUUID(),
    'https://mcp.orders-and-deliveries.example/a/rather/long/path/to/the/mcp/endpoint?tenant=7',
    'orders-read-everything-in-the-whole-wide-world',
    'a'.repeat(500),
    'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    '0123456789abcdef'.repeat(4),
    'ReadOrders WriteOrders',
  ]) {
    t.is(withoutSecrets(text), text);
  }
});

test('I17: a name may have the joiners that its script or its emoji needs, and they are shown as they are', t => {
  for (const name of [
    // Persian: the letter before would join without it.
    'علی\u200cرضا',
    'نیک\u200cپِی',
    // Sinhala, Hindi and Malayalam: after a virama.
    'ශ්\u200dරී ලංකා',
    'क्\u200dष',
    'क्\u200cष',
    'അവന്\u200d',
    'Ada 👩\u200d💻',
    '🏳\ufe0f\u200d🌈 ❤\ufe0f',
    '👨🏽\u200d🚀',
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
  ]) {
    t.is(parseInput(personInput, { name }).name, name);
    t.is(visibleText(name), name);
  }
});

test('I17: a joiner that changes nothing that is seen, and what else deceives, is refused in a name and shown as its code', t => {
  for (const name of [
    'Ad\u200cmin',
    'Ad\u200dmin',
    '\u200cعلی',
    'علی\u200c',
    // A letter that never joins the next one.
    'رضا\u200cد',
    'علی\u200c\u200cرضا',
    'क\u200dष',
    'Ada\u200d💻',
    '💻\u200d',
    '💻\u200d🌍',
    'A\ufe0fda',
    'A\u{e0067}\u{e007f}da',
    '👩\u200d💻\u202e',
    'a\u200bb',
    'a\u115fb',
  ]) {
    t.throws(() => parseInput(personInput, { name }), { message: 'input-invalid' }, JSON.stringify(name));
    t.regex(visibleText(name), /\\u\{(?:200[bcd]|fe0f|e00..|202e|115f)\}/, JSON.stringify(name));
  }
});

test('an e-mail address is what mail servers take for one', t => {
  for (const email of [
    'ivan@example.xn--p1ai',
    'a/b@example.com',
    "o'brien+x!#$%&*=?^_`{|}~-@mail.example.co.uk",
    'A@b2b.example',
    'x@xn--bcher-kva.example',
  ]) {
    t.is(parseInput(personInput, { name: 'Ada', email }).email, email);
  }
  for (const email of [
    'ada',
    'ada@',
    '@example.com',
    'ada@localhost',
    'ada@example.com.',
    'ada@-example.com',
    'ada@example-.com',
    'ada@127.0.0.1',
    '.ada@example.com',
    'a..b@example.com',
    'a b@example.com',
    'a@b@example.com',
    'ada@exämple.com',
    'ada\u200b@example.com',
    '"ada"@example.com',
    'ada@example.com\n',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(64)}.com`,
    `a@${'b.'.repeat(126)}com`,
  ]) {
    t.throws(() => parseInput(personInput, { name: 'Ada', email }), { message: 'input-invalid' }, email);
  }
});
