/** The secret of the bootstrap client goes to no program of another user that listens on the server's port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { freePort } from '../support/server-process.ts';
import { makeFolder } from './run-cli.ts';

const SOMEBODY = 65_534;

test('a port on which somebody else listens is not spoken to', async t => {
  if (process.getuid?.() !== 0) {
    t.pass('only root can be two users');
    return;
  }
  const port = await freePort();
  const program = `
    let heard = 0;
    require('net').createServer(() => console.log('heard')).listen(${port}, '127.0.0.1', () => console.log('ready'));`;
  const stranger = spawn(process.execPath, ['-e', program], {
    uid: SOMEBODY,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => stranger.kill());
  await once(stranger.stdout, 'data');
  const heard: string[] = [];
  stranger.stdout.on('data', (data: Buffer) => heard.push(data.toString()));
  const folder = await makeFolder(t, { COUNTERSIGN_PORT: String(port) });
  mkdirSync(join(folder.path, 'var'));
  writeFileSync(
    join(folder.path, 'var/bootstrap-client.json'),
    JSON.stringify({ client_id: `agt_${'a'.repeat(32)}`, client_secret: 'secret' }),
    { mode: 0o600 },
  );
  const { code, stderr } = await folder.cli(['agents', 'list']);
  t.is(code, 3);
  t.true(stderr.includes(`Port ${port} belongs to another user`), stderr);
  t.deepEqual(heard, []);
});
