/** I13: nothing in the server opens a connection on anybody's word but `src/egress`. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';

const SOURCES = join(import.meta.dirname, '../../src');
/** The command line, and what an MCP server installs, are no part of the server: they call where their user tells them to. */
const NOT_THE_SERVER = /^(cli|guard|client)\//;

/** The ways of Node, and of packages that are installed, to reach out. */
const WAYS_OUT = [
  /(?<![.\w#])fetch\(/,
  /globalThis\.fetch/,
  /\bnew (WebSocket|EventSource)\b/,
  /from 'undici'/,
  /from 'node:(dns|dns\/promises|dgram|http2)'/,
  /import [^;]*\b(request|get|connect|createConnection|Agent|Socket|TLSSocket|ClientRequest)\b[^;]*from 'node:(https?|net|tls)'/,
  /import (\w+|\* as \w+)(, \{[^}]*\})? from 'node:(https?|net|tls)'/,
];

test('I13: only src/egress opens connections', t => {
  const files = globSync('**/*.ts', { cwd: SOURCES }).filter(path => !NOT_THE_SERVER.test(path));
  t.true(files.length > 100);
  const reachingOut = files.filter(path => {
    const text = readFileSync(join(SOURCES, path), 'utf8');
    return WAYS_OUT.some(way => way.test(text));
  });
  t.deepEqual([...new Set(reachingOut.map(path => path.split('/')[0]))], ['egress']);
});

test('I13: the ways out are recognised', t => {
  for (const text of [
    'await fetch(url)',
    'globalThis.fetch',
    "import { Agent } from 'undici';",
    "import { lookup } from 'node:dns/promises';",
    "import { createServer, request } from 'node:http';",
    "import { type AddressInfo, connect } from 'node:net';",
    "import https from 'node:https';",
    "import * as tls from 'node:tls';",
    'new WebSocket(url)',
  ]) {
    t.true(
      WAYS_OUT.some(way => way.test(text)),
      text,
    );
  }
  for (const text of ['cache.fetch(key)', "import { createServer } from 'node:http';", 'this.#fetch(uri)']) {
    t.false(
      WAYS_OUT.some(way => way.test(text)),
      text,
    );
  }
});
