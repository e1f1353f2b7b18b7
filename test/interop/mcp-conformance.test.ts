/** The conformance suite of the Model Context Protocol, run on the authorization server's metadata (RFC 8414, RFC 9207). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { type App, startApp } from '../support/start-app.ts';

const SCENARIO = 'authorization-server-metadata-endpoint';

const require = createRequire(import.meta.url);
const packageFile = require.resolve('@modelcontextprotocol/conformance/package.json');
const suite = join(
  dirname(packageFile),
  (require(packageFile) as { bin: { conformance: string } }).bin.conformance,
);

test('MCP conformance: the metadata of an http issuer on this machine', async t => {
  const app = await startApp(t);
  await assertConforms(t, app);
});

test('MCP conformance: the metadata of an issuer with a path', async t => {
  const app = await startApp(t, { issuerAt: { path: '/tenants/one' } });
  await assertConforms(t, app);
});

for (const path of ['', '/tenants/one']) {
  test(`MCP conformance: the metadata of an https issuer ${path === '' ? 'at the root' : 'with a path'}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-conformance-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const certificate = join(directory, 'certificate.pem');
    const privateKey = join(directory, 'private-key.pem');
    await writeFile(certificate, TLS_CERTIFICATE);
    await writeFile(privateKey, TLS_PRIVATE_KEY, { mode: 0o600 });
    const app = await startApp(t, {
      issuerAt: { path, scheme: 'https' },
      env: {
        COUNTERSIGN_TLS_CERT_FILE: certificate,
        COUNTERSIGN_TLS_KEY_FILE: privateKey,
      },
    });
    await assertConforms(t, app, { NODE_EXTRA_CA_CERTS: certificate });
  });
}

/** Runs the scenario, and holds both the suite's exit code and its own count to it. */
async function assertConforms(
  t: ExecutionContext,
  app: App,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const args = [suite, 'authorization', '--url', app.issuer, '--scenario', SCENARIO];
  const child = spawn(process.execPath, args, {
    cwd: app.directory,
    env: { ...CHILD_ENV, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  t.is(code, 0, output);
  t.regex(output, /Passed: 1\/1, 0 failed/);
}
