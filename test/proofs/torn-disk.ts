/**
 * What a disk may hold after the power has gone: everything up to the last fsync of each file and directory, and of what was
 * written since then any part, in any order, torn between sectors.
 */

/** A disk writes a sector whole or not at all. */
const SECTOR = 512;

/** Draws numbers from 0 up to, and without, 1. */
export type Random = () => number;

interface Write {
  readonly offset: number;
  readonly data: Buffer;
}
interface Truncation {
  readonly size: number;
}

/** Bytes that are changed in place, and grow. */
class Content {
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;

  static copyOf(other: Content): Content {
    const copy = new Content();
    copy.#bytes = Buffer.from(other.bytes);
    copy.#size = other.#size;
    return copy;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  apply(change: Write | Truncation): void {
    if ('size' in change) this.#resize(change.size);
    else {
      this.#resize(Math.max(this.#size, change.offset + change.data.length));
      change.data.copy(this.#bytes, change.offset);
    }
  }

  #resize(size: number): void {
    if (size > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.bytes, Buffer.alloc(size * 2 - this.#size)]);
    } else if (size > this.#size) this.#bytes.fill(0, this.#size, size);
    this.#size = size;
  }
}

/** A file, apart from its names. */
class Inode {
  readonly #durable = new Content();
  #pending: (Write | Truncation)[] = [];

  change(change: Write | Truncation): void {
    this.#pending.push(change);
  }

  /** How much would be durable if an fsync that begins now succeeds. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** An fsync has succeeded that began when so much was pending. */
  settle(count: number): void {
    for (const change of this.#pending.splice(0, count)) this.#durable.apply(change);
  }

  afterPowerLoss(random: Random): Buffer {
    const content = Content.copyOf(this.#durable);
    for (const change of this.#pending) {
      const fate = random();
      if (fate < 0.4) continue;
      if (fate < 0.7 || !('data' in change)) content.apply(change);
      else for (const part of tear(change)) if (random() < 0.5) content.apply(part);
    }
    return content.bytes;
  }
}

type Naming =
  | { readonly kind: 'add'; readonly name: string; readonly inode: Inode }
  | { readonly kind: 'remove'; readonly name: string };

/** One directory, as the processes see it and as the disk has it. */
export class TornDisk {
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #pending: Naming[] = [];

  create(name: string): void {
    if (!this.#names.has(name)) this.#rename({ kind: 'add', name, inode: new Inode() });
  }

  write(name: string, offset: number, data: Buffer): void {
    this.#inode(name).change({ offset, data });
  }

  truncate(name: string, size: number): void {
    this.#inode(name).change({ size });
  }

  link(from: string, to: string): void {
    this.#rename({ kind: 'add', name: to, inode: this.#inode(from) });
  }

  unlink(name: string): void {
    this.#rename({ kind: 'remove', name });
  }

  rename(from: string, to: string): void {
    this.link(from, to);
    this.unlink(from);
  }

  /** @returns what to call once the fsync of the file that begins now has succeeded */
  beginSync(name: string): () => void {
    const inode = this.#inode(name);
    const count = inode.pendingCount;
    return () => inode.settle(count);
  }

  beginSyncOfDirectory(): () => void {
    const count = this.#pending.length;
    return () => {
      for (const naming of this.#pending.splice(0, count)) applyName(this.#durableNames, naming);
    };
  }

  /** The files that may be found when the power has come back. Names change in order, as a journal keeps them. */
  afterPowerLoss(random: Random): ReadonlyMap<string, Buffer> {
    const names = new Map(this.#durableNames);
    const survived = Math.floor(random() * (this.#pending.length + 1));
    for (const naming of this.#pending.slice(0, survived)) applyName(names, naming);
    return new Map([...names].map(([name, inode]) => [name, inode.afterPowerLoss(random)]));
  }

  #rename(naming: Naming): void {
    applyName(this.#names, naming);
    this.#pending.push(naming);
  }

  #inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (!inode) throw new Error(`nobody has created ${name}`);
    return inode;
  }
}

function applyName(names: Map<string, Inode>, naming: Naming): void {
  if (naming.kind === 'add') names.set(naming.name, naming.inode);
  else names.delete(naming.name);
}

/** The sectors of a write. */
function tear({ offset, data }: Write): Write[] {
  const parts: Write[] = [];
  for (let start = 0; start < data.length; ) {
    const end = Math.min(data.length, start + SECTOR - ((offset + start) % SECTOR));
    parts.push({ offset: offset + start, data: data.subarray(start, end) });
    start = end;
  }
  return parts;
}

/** Numbers that look random and are the same for one seed (Mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
