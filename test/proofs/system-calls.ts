/** Reads what strace has recorded (`-f -y -xx`) of one process: what it did to the files of a directory, and on its sockets. */
import { createReadStream } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';

/** In the order in which it happened. Names are those of files in the directory that is watched. */
export type SystemCall =
  | { readonly kind: 'create' | 'unlink'; readonly name: string }
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly size: number }
  | { readonly kind: 'link' | 'rename'; readonly name: string; readonly to: string }
  /** An fsync, which succeeded at its end; the directory itself where `name` is empty. */
  | { readonly kind: 'sync-begin' | 'sync-end'; readonly name: string; readonly call: number }
  | { readonly kind: 'received' | 'sent'; readonly socket: string; readonly text: string };

/** What strace is to record. */
export const TRACED =
  'openat,read,write,pwrite64,writev,pwritev,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,link,linkat';

const LINE = /^(?<thread>\d+)\s+(?<text>.*)$/;
const CALL = /^(?<name>\w+)\((?<rest>.*)$/s;
const RESUMED = /^<\.\.\. \w+ resumed>(?<rest>.*)$/s;
const DESCRIPTOR = /^(?<fd>\d+)<(?<path>[^>]*)>/;
const RESULT = /\)\s+= (?<value>-?\d+)(?:<(?<path>[^>]*)>)?/;

/** @param directory an absolute path without symbolic links */
export async function readSystemCalls(file: string, directory: string): Promise<SystemCall[]> {
  const calls: SystemCall[] = [];
  const unfinished = new Map<string, { readonly text: string; readonly call: number }>();
  const positions = new Map<string, number>();
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) {
    const { thread = '', text = '' } = LINE.exec(line)?.groups ?? {};
    const resumed = RESUMED.exec(text)?.groups?.['rest'];
    if (resumed !== undefined) {
      const begun = unfinished.get(thread);
      unfinished.delete(thread);
      if (begun) calls.push(...atEnd(begun.text + resumed, begun.call));
      continue;
    }
    if (!CALL.test(text)) continue;
    number += 1;
    const cut = text.indexOf(' <unfinished ...>');
    calls.push(...atBegin(cut === -1 ? text : text.slice(0, cut), number));
    if (cut === -1) calls.push(...atEnd(text, number));
    else unfinished.set(thread, { text: text.slice(0, cut), call: number });
  }
  return calls;

  /** What may have happened as soon as a call has begun: data may reach the disk, and an answer its reader. */
  function atBegin(text: string, call: number): SystemCall[] {
    const { name = '', rest = '' } = CALL.exec(text)?.groups ?? {};
    const { fd = '', path = '' } = DESCRIPTOR.exec(rest)?.groups ?? {};
    const watched = watchedName(decode(path).toString());
    switch (name) {
      case 'pwrite64':
      case 'write':
      case 'writev':
      case 'pwritev': {
        const data = Buffer.concat(strings(rest));
        if (watched === undefined || watched === '') return sent(decode(path).toString(), data);
        const isPlaced = name.startsWith('p');
        const offset = isPlaced
          ? Number(/, (\d+)(?:\)|$)/.exec(rest.slice(rest.lastIndexOf(',')))?.[1])
          : (positions.get(fd) ?? 0);
        if (!isPlaced) positions.set(fd, offset + data.length);
        return [{ kind: 'write', name: watched, offset, data }];
      }
      case 'ftruncate':
        return watched ? [{ kind: 'truncate', name: watched, size: Number(/, (\d+)/.exec(rest)?.[1]) }] : [];
      case 'fallocate':
        if (watched) throw new Error('fallocate is not played');
        return [];
      case 'fsync':
      case 'fdatasync':
        return watched === undefined ? [] : [{ kind: 'sync-begin', name: watched, call }];
      default:
        return [];
    }
  }

  /** What has happened when a call has ended well. */
  function atEnd(text: string, call: number): SystemCall[] {
    const { value = '-1', path: opened = '' } = RESULT.exec(text)?.groups ?? {};
    if (Number(value) < 0) return [];
    const { name = '', rest = '' } = CALL.exec(text)?.groups ?? {};
    const paths = strings(rest).map(each => watchedName(each.toString()));
    switch (name) {
      case 'openat': {
        const watched = watchedName(decode(opened).toString());
        positions.set(value, 0);
        if (!watched || !rest.includes('O_CREAT')) return [];
        if (rest.includes('O_TRUNC') && !rest.includes('O_EXCL')) throw new Error('O_TRUNC is not played');
        return [{ kind: 'create', name: watched }];
      }
      case 'read': {
        const socket = decode(DESCRIPTOR.exec(rest)?.groups?.['path'] ?? '').toString();
        if (!socket.startsWith('socket:')) return [];
        return [{ kind: 'received', socket, text: Buffer.concat(strings(rest)).toString('latin1') }];
      }
      case 'fsync':
      case 'fdatasync': {
        const watched = watchedName(decode(DESCRIPTOR.exec(rest)?.groups?.['path'] ?? '').toString());
        return watched === undefined ? [] : [{ kind: 'sync-end', name: watched, call }];
      }
      case 'unlink':
      case 'unlinkat':
        return paths[0] ? [{ kind: 'unlink', name: paths[0] }] : [];
      case 'link':
      case 'linkat':
      case 'rename':
      case 'renameat':
      case 'renameat2':
        return paths[0] && paths[1]
          ? [{ kind: name.startsWith('link') ? 'link' : 'rename', name: paths[0], to: paths[1] }]
          : [];
      default:
        return [];
    }
  }

  function sent(path: string, data: Buffer): SystemCall[] {
    return path.startsWith('socket:') ? [{ kind: 'sent', socket: path, text: data.toString('latin1') }] : [];
  }

  function watchedName(path: string): string | undefined {
    const clean = path.replace(/ \(deleted\)$/, '');
    if (clean === directory) return '';
    // Shared memory is no file: it is made anew by whoever opens the store.
    return dirname(clean) === directory && !clean.endsWith('-shm') ? basename(clean) : undefined;
  }
}

/** The strings of a call, in order. */
function strings(text: string): Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(match => decode(match[1] ?? ''));
}

function decode(hex: string): Buffer {
  return hex.startsWith('\\x') ? Buffer.from(hex.replaceAll('\\x', ''), 'hex') : Buffer.from(hex);
}
