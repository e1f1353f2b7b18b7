/** Arrows point one way: `docs/architecture.md`. What an import may be is data, in `imports.ts`. */
import test from 'ava';
import { DOORS, importsOf, KNOWN_BY, LAYERS, partOf, readImports, wrongImports } from './imports.ts';

const imports = readImports();

test('no file of src/ imports what it may not, and nothing imports in a circle', t => {
  t.true(imports.size > 300, `${imports.size} files`);
  t.deepEqual(wrongImports(imports), []);
});

/** The same tree with one import more. */
function withImport(file: string, target: string): ReadonlyMap<string, readonly string[]> {
  return new Map(imports).set(file, [...(imports.get(file) ?? []), target]);
}

const WRONG: readonly (readonly [title: string, file: string, target: string, said: RegExp])[] = [
  [
    'a circle of two files',
    'agents/agent.ts',
    'agents/check-agent.ts',
    /a circle: src\/agents\/.*imports src\/agents\/.*permitted: none/,
  ],
  [
    'a circle of two folders',
    'audit/routes.ts',
    'agents/index.ts',
    /a circle: .*src\/audit\/routes\.ts imports src\/agents/,
  ],
  [
    'a circle of two folders in one',
    'store/sqlite/inspect.ts',
    'store/mongo/records.ts',
    /a circle: .*store\/mongo/,
  ],
  [
    'a capability that knows HTTP',
    'tokens/issue-token.ts',
    'http/index.ts',
    /tokens\/issue-token\.ts imports src\/http\/index\.ts; permitted: what stands below or beside it: .*text/,
  ],
  [
    'a capability that knows the engine',
    'tokens/issue-token.ts',
    'provider/index.ts',
    /imports src\/provider\/index\.ts; permitted: what/,
  ],
  [
    'a capability that knows a store',
    'people/session.ts',
    'store/store.ts',
    /imports src\/store\/store\.ts; permitted: what/,
  ],
  [
    'a capability that knows the configuration',
    'limits/limits.ts',
    'config/index.ts',
    /imports src\/config\/index\.ts; permitted: what/,
  ],
  [
    'a capability that knows the composition',
    'limits/limits.ts',
    'compose.ts',
    /imports src\/compose\.ts; permitted: what/,
  ],
  [
    'a capability that knows the process',
    'limits/limits.ts',
    'process/start.ts',
    /imports src\/process\/start\.ts; permitted: what/,
  ],
  [
    'a capability that knows the command line',
    'limits/limits.ts',
    'cli/failure.ts',
    /imports src\/cli\/failure\.ts; permitted: what/,
  ],
  [
    'a kernel that knows a capability',
    'origin.ts',
    'audit/index.ts',
    /imports src\/audit\/index\.ts; permitted: what stands below or beside it: background\.ts/,
  ],
  [
    'a folder that is entered past its index',
    'tokens/issue-token.ts',
    'agents/kill-agent.ts',
    /permitted: src\/agents\/index\.ts, or a door/,
  ],
  [
    'the engine outside of its seam',
    'pages/consent-pages.ts',
    'oidc-provider',
    /pages\/consent-pages\.ts imports oidc-provider; permitted: only in src\/provider\//,
  ],
  [
    'another than the composition root that knows the edges',
    'http/app.ts',
    'store/store.ts',
    /permitted: only in cli, compose\.ts/,
  ],
  [
    'a client that knows the server',
    'client/client.ts',
    'agents/index.ts',
    /permitted: descriptions of calls/,
  ],
  [
    'a server that knows the demo',
    'compose.ts',
    '../seed/demo-world.ts',
    /permitted: what stands in src\/; for the demo seed\//,
  ],
  ['a folder without a place', 'helpers/index.ts', 'errors.ts', /src\/helpers has no place/],
];

for (const [title, file, target, said] of WRONG) {
  test(`it is noticed: ${title}`, t => {
    const found = wrongImports(withImport(file, target));
    t.true(
      found.some(sentence => said.test(sentence)),
      found.join('\n'),
    );
  });
}

test('every way of importing is read', t => {
  const text = `/** from './comment.ts' */
// import './comment.ts';
import './effect.ts';
import { a } from '../b/value.ts';
import type { C } from './type.ts';
import {
  type D,
} from './lines.ts';
export * from './all.ts';
export { e } from './handed-on.ts';
type F = import('./inline.ts').F;
const g = await import('./later.ts');
import Koa from 'koa';
`;
  t.deepEqual(importsOf('a/file.ts', text), [
    'a/effect.ts',
    'b/value.ts',
    'a/type.ts',
    'a/lines.ts',
    'a/all.ts',
    'a/handed-on.ts',
    'a/inline.ts',
    'a/later.ts',
    'koa',
  ]);
});

test('nothing is permitted that nobody uses', t => {
  const used = [...imports].flatMap(([file, targets]) =>
    targets.filter(target => partOf(target) !== partOf(file)).map(target => ({ file, target })),
  );
  for (const { to, from, because } of DOORS) {
    t.true(
      used.some(({ file, target }) => to.test(target) && from.test(file)),
      because,
    );
  }
  for (const [part, users] of Object.entries(KNOWN_BY)) {
    for (const user of users) {
      t.true(
        used.some(({ file, target }) => partOf(target) === part && [file, partOf(file)].includes(user)),
        `${user} knows ${part}`,
      );
    }
  }
  const parts = new Set([...imports.keys()].map(partOf));
  t.deepEqual(
    LAYERS.flatMap(layer => layer.parts).filter(part => !parts.has(part)),
    [],
  );
});
