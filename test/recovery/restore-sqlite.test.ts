import { join } from 'node:path';
import test from 'ava';
import {
  type BackupMeans,
  countersign,
  holdClosed,
  holdDead,
  listed,
  mustRun,
  untilRestored,
} from './r150.ts';

const means: BackupMeans = {
  backUp: async world => {
    await countersign(world, 'backup', join(world.directory, 'backup.sqlite'));
  },
  restore: async world => {
    const { stdout, stderr } = await countersign(world, 'restore', join(world.directory, 'backup.sqlite'));
    return stdout + stderr;
  },
};

const REPLAY = ['--audit', 'trail.jsonl', '--checkpoints', 'checkpoints.jws', '--key', 'checkpoint.pub.pem'];

test('R150: what was taken away after the backup stays away when the exported trail is replayed', async t => {
  const { world, story, told } = await untilRestored(t, {}, means);
  t.regex(told, /QUARANTINED/);
  await holdClosed(t, world, story);
  const replayed = await mustRun(t, world, 'quarantine', 'replay', ...REPLAY);
  t.regex(replayed, /7 removals were replayed/);
  await holdDead(t, world, story);
  await mustRun(t, world, 'audit', 'verify', ...REPLAY.slice(2));
});

test('R150: what was taken away after the backup stays away when an operator decides record by record', async t => {
  const { world, story } = await untilRestored(t, {}, means);
  await holdClosed(t, world, story);
  const early = await countersign(world, 'quarantine', 'open');
  t.is(early.code, 1);
  t.regex(early.stderr, /Records are left/);

  const { killed, retired, disabledId, closedResource, killedKey, delegation } = story;
  const close = [killed.id, retired.id, disabledId, closedResource.id, killedKey, delegation.id];
  await mustRun(t, world, 'quarantine', 'keep-closed', ...close);
  const unsaid = await countersign(world, 'quarantine', 'confirm', story.rotated.id);
  t.is(unsaid.code, 1);
  t.regex(unsaid.stderr, /--secret keep/);
  const renewed = await mustRun(t, world, 'quarantine', 'confirm', story.rotated.id, '--secret', 'new');
  t.regex(renewed, /its new secret: [A-Za-z0-9_-]{43}/);

  const left = await listed(t, world);
  const wrong = await countersign(
    world,
    'quarantine',
    'confirm',
    '--all',
    String(left.length + 1),
    '--secret',
    'keep',
  );
  t.is(wrong.code, 1);
  t.is((await listed(t, world)).length, left.length, 'nothing was confirmed by a wrong number');
  await mustRun(t, world, 'quarantine', 'confirm', '--all', String(left.length), '--secret', 'keep');
  await mustRun(t, world, 'quarantine', 'open');
  await holdDead(t, world, story);
});
