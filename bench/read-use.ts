import type { Use } from './servers.ts';

/** What this process has used by now, all its threads. */
export function readUse(): Use {
  const { user, system } = process.cpuUsage();
  return { kind: 'use', cpuMicroseconds: user + system, residentBytes: process.memoryUsage.rss() };
}
