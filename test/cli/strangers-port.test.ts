/** The secret of the bootstrap client goes to no program of another user that listens on the server's port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { makeFolder } from './run-cli.ts';

const SOMEBODY = 65_534;

test('a port on which somebody else listens is not spoken to', async t => {
  if (process.getuid?.() !== 0) {
    t.pass('only root can be two users');
    return;
  }
  // Another user may not be able to reach the program: it becomes them once it runs.
  const program = `
    process.setuid(${SOMEBODY});
    const server = require('net').createServer(socket => console.log('heard ' + socket.remotePort));
    server.listen(0, '127.0.0.1', () => console.log('listening ' + server.address().port));`;
  const stranger = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => stranger.kill());
  const lines = createInterface({ input: stranger.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => (await lines.next()).value ?? '';
  const [, port = ''] = /^listening (\d+)$/.exec(await nextLine()) ?? [];
  const folder = await makeFolder(t, { COUNTERSIGN_PORT: port });
  mkdirSync(join(folder.path, 'var'));
  writeFileSync(
    join(folder.path, 'var/bootstrap-client.json'),
    JSON.stringify({
      client_id: `agt_${'a'.repeat(32)}`,
      client_secret: 'A-secret-of-the-tests-that-is-long-enough-0123',
    }),
    { mode: 0o600 },
  );
  const { code, stderr } = await folder.cli(['agents', 'list']);
  t.is(code, 3);
  t.true(stderr.includes(`Port ${port} belongs to another user`), stderr);
  // Connections are heard of in their order, and the first is ours.
  const own = connect(Number(port), '127.0.0.1');
  t.teardown(() => own.destroy());
  await once(own, 'connect');
  t.is(await nextLine(), `heard ${own.localPort}`);
});
