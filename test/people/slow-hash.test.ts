import test from 'ava';
import { SlowHash } from '../../src/people/index.ts';

test('a server hashes passwords at what OWASP asks for: argon2id, 19 MiB, two passes', async t => {
  const slowHash = new SlowHash();

  const phc = await slowHash.hash('correct horse battery staple');

  t.regex(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.true(await slowHash.isHashOf(phc, 'correct horse battery staple'));
  t.false(await slowHash.isHashOf(phc, 'correct horse battery stable'));
});

test('what was hashed at another cost stays right', async t => {
  const phc = await new SlowHash({ memoryCost: 8, timeCost: 1, parallelism: 1 }).hash('correct horse');

  t.true(await new SlowHash().isHashOf(phc, 'correct horse'));
});

test('where nothing was hashed no text is right, not even the one that is hashed for nobody', async t => {
  const slowHash = new SlowHash({ memoryCost: 8, timeCost: 1, parallelism: 1 });

  t.false(await slowHash.isHashOf(undefined, 'the password of nobody'));
});
