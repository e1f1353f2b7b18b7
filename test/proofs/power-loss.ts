/**
 * Power loss, played: a server works under strace, from its first start on; its files are rebuilt as a disk may hold them when the
 * power goes at some moment; and a store opened on them has to know everything that was acknowledged by then (I1, I7, I10).
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { storeTrail, verifyTrail } from '../../src/audit/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { parseKeyEncryptionKey } from '../../src/config/index.ts';
import { newId } from '../../src/ids.ts';
import { sealingKey } from '../../src/keys/index.ts';
import { isLive } from '../../src/liveness.ts';
import { newOrigin } from '../../src/origin.ts';
import { openDeployment } from '../../src/recovery/index.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import type { Store } from '../../src/store/store.ts';
import { opaqueTokenId } from '../../src/tokens/access-token-value.ts';
import { EventCount } from '../support/event-count.ts';
import { freePort } from '../support/free-port.ts';
import type { ProofHost } from './proof.ts';
import { readSystemCalls, type SystemCall, TRACED } from './system-calls.ts';
import { type Random, seededRandom, TornDisk } from './torn-disk.ts';

export interface PowerLossOptions {
  readonly cuts: number;
  readonly seed: number;
  /** How many tokens the server issues until the recording ends. */
  readonly tokens: number;
  readonly onCut?: (done: number) => void;
}

export interface PowerLossReport {
  /** In the whole recording. */
  readonly systemCalls: number;
  readonly syncs: number;
  readonly acknowledged: number;
  /** Acknowledged facts that were looked for after the cuts, all in all. */
  readonly held: number;
  /** Where something that was acknowledged is lost, or the store does not open: none, or the proof has failed. */
  readonly failures: readonly string[];
}

/** What callers had been told, and what they had asked for, when the power went. */
interface Known {
  readonly issued: Set<string>;
  readonly revoked: Set<string>;
  readonly killed: Set<string>;
  readonly revocationAsked: Set<string>;
  readonly killAsked: Set<string>;
}

/** What is needed and cannot be run here. */
export function missesStrace(): string | undefined {
  if (spawnSync('strace', ['-V']).status === 0) return undefined;
  return 'strace cannot be run here: apt-get install strace';
}

export async function losePower(host: ProofHost, options: PowerLossOptions): Promise<PowerLossReport> {
  const parent = await realpath(await mkdtemp(join(tmpdir(), 'countersign-power-')));
  host.teardown(() => rm(parent, { recursive: true, force: true }));
  const directory = join(parent, 'data');
  await mkdir(directory);
  const recording = join(parent, 'recording');
  const tokensOf = await record(host, directory, recording, options.tokens);
  const calls = await readSystemCalls(recording, directory);
  const random = seededRandom(options.seed);
  const cuts = chooseCuts(calls, options.cuts, random);
  const failures: string[] = [];
  let held = 0;
  const playing = new Playing();
  let played = 0;
  for (const [index, cut] of cuts.entries()) {
    for (; played < cut; played += 1) playing.play(calls[played] as SystemCall);
    const { known } = playing;
    const ground = join(parent, `cut-${index}`);
    await mkdir(ground);
    for (const [name, content] of playing.disk.afterPowerLoss(random)) {
      await writeFile(join(ground, name), content);
    }
    const where = `seed ${options.seed}, cut ${index} at call ${cut}`;
    try {
      held += await hold(ground, known, tokensOf);
    } catch (error) {
      failures.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
    }
    await rm(ground, { recursive: true });
    options.onCut?.(index + 1);
  }
  for (; played < calls.length; played += 1) playing.play(calls[played] as SystemCall);
  const { issued, revoked, killed } = playing.known;
  return {
    systemCalls: calls.length,
    syncs: calls.filter(({ kind }) => kind === 'sync-end').length,
    acknowledged: issued.size + revoked.size + killed.size,
    held,
    failures,
  };
}

/** Half of them anywhere, half at the moment at which something has just been acknowledged; in order. */
function chooseCuts(calls: readonly SystemCall[], count: number, random: Random): number[] {
  const answers = calls.flatMap(({ kind }, index) => (kind === 'sent' ? [index + 1] : []));
  const cuts = Array.from({ length: count }, (_, index) =>
    index % 2 === 0 || answers.length === 0
      ? Math.floor(random() * (calls.length + 1))
      : (answers[Math.floor(random() * answers.length)] ?? 0),
  );
  return cuts.sort((a, b) => a - b);
}

/** What the disk holds and what callers know, call by call. */
class Playing {
  readonly disk = new TornDisk();
  readonly known: Known = {
    issued: new Set(),
    revoked: new Set(),
    killed: new Set(),
    revocationAsked: new Set(),
    killAsked: new Set(),
  };
  readonly #syncs = new Map<number, () => void>();
  readonly #asked = new Map<string, string>();

  play(call: SystemCall): void {
    const { disk, known } = this;
    switch (call.kind) {
      case 'create':
        disk.create(call.name);
        break;
      case 'write':
        disk.write(call.name, call.offset, call.data);
        break;
      case 'truncate':
        disk.truncate(call.name, call.size);
        break;
      case 'unlink':
        disk.unlink(call.name);
        break;
      case 'link':
        disk.link(call.name, call.to);
        break;
      case 'rename':
        disk.rename(call.name, call.to);
        break;
      case 'sync-begin': {
        const settle = call.name === '' ? disk.beginSyncOfDirectory() : disk.beginSync(call.name);
        this.#syncs.set(call.call, settle);
        break;
      }
      case 'sync-end':
        this.#syncs.get(call.call)?.();
        break;
      case 'received': {
        const request = (this.#asked.get(call.socket) ?? '') + call.text;
        this.#asked.set(call.socket, request);
        noteQuestion(known, request);
        break;
      }
      case 'sent':
        noteAnswer(known, this.#asked.get(call.socket) ?? '', call.text);
        this.#asked.delete(call.socket);
    }
  }
}

const KILL = /^POST \/api\/v1\/agents\/(agt_[0-9a-f]+)\/kill /;

function noteQuestion(known: Known, request: string): void {
  const revocation = revokedToken(request);
  if (revocation !== undefined) known.revocationAsked.add(revocation);
  const kill = KILL.exec(request)?.[1];
  if (kill !== undefined) known.killAsked.add(kill);
}

function noteAnswer(known: Known, request: string, answer: string): void {
  if (!answer.startsWith('HTTP/1.1 200')) return;
  const token = /"access_token":"([^"]+)"/.exec(answer)?.[1];
  if (token !== undefined) known.issued.add(token);
  const revocation = revokedToken(request);
  if (revocation !== undefined) known.revoked.add(revocation);
  const kill = KILL.exec(request)?.[1];
  if (kill !== undefined) known.killed.add(kill);
}

function revokedToken(request: string): string | undefined {
  if (!request.startsWith('POST /revoke ')) return undefined;
  return new URLSearchParams(request.slice(request.indexOf('\r\n\r\n') + 4)).get('token') ?? undefined;
}

/** @returns how many acknowledged facts were found to hold */
async function hold(directory: string, known: Known, agentOf: ReadonlyMap<string, string>): Promise<number> {
  const path = join(directory, 'countersign.sqlite');
  const now = Date.now();
  const store = await openSqliteStore(path, { now: () => now, lane: newId('lane', now) });
  try {
    if (!(await verifyTrail(storeTrail(store))).isIntact) throw new Error('the trail is damaged');
    await holdKeys(store, directory);
    const deployment = await openDeployment(
      {
        deployment: store,
        freshness: store,
        trail: store,
        markFile: join(directory, 'high-water-mark.json'),
      },
      newOrigin(certainMoment(now)),
    );
    if (deployment.quarantine) throw new Error('it is quarantined, though nothing was rolled back');
    await store.fresh();
    for (const agentId of known.killed) {
      if ((await store.findAgent(agentId))?.status !== 'suspended')
        throw new Error(`the kill of ${agentId} is lost`);
    }
    for (const value of known.issued) {
      const token = await store.findToken(opaqueTokenId(value) ?? 'tok_');
      if (!token) throw new Error('a token that was acknowledged is lost');
      const agentId = agentOf.get(value) ?? token.clientId;
      // Whether it has expired is another matter: the recording is older than the look at it.
      const lives = isLive({ ...token, expiresAt: Number.MAX_SAFE_INTEGER }, store.epochs, now);
      if (known.revoked.has(value) || known.killed.has(agentId)) {
        if (lives) throw new Error('a token lives whose end was acknowledged');
      } else if (!known.revocationAsked.has(value) && !known.killAsked.has(agentId) && !lives) {
        throw new Error('a token is dead that nobody has ended');
      }
    }
    return known.issued.size + known.revoked.size + known.killed.size;
  } finally {
    await store.close();
  }
}

/** Keys that are in the store can be unsealed by what is beside it. */
async function holdKeys(store: Store, directory: string): Promise<void> {
  const keys = await store.listSigningKeys();
  if (keys.length === 0) return;
  const text = await readFile(join(directory, 'key-encryption-key'), 'utf8');
  const sealing = sealingKey(parseKeyEncryptionKey(text.trim()));
  for (const { id, sealedPrivateKey } of keys) {
    if (sealedPrivateKey !== undefined) sealing.unseal(sealedPrivateKey, id);
  }
}

/** Runs a server from its first start under strace, with callers at work. @returns whose each token is */
async function record(
  host: ProofHost,
  directory: string,
  recording: string,
  tokens: number,
): Promise<ReadonlyMap<string, string>> {
  const port = await freePort();
  const traced = ['-f', '-y', '-xx', '-s', '16777216', '-e', `trace=${TRACED}`, '-o', recording, '--'];
  const child = spawn('strace', [...traced, process.execPath, 'src/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: directory,
      COUNTERSIGN_PORT: String(port),
      // System calls that go through io_uring are not seen.
      UV_USE_IO_URING: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let pid: number | undefined;
  host.teardown(async () => {
    // strace ends with what it traces.
    if (child.exitCode === null && child.signalCode === null) process.kill(pid ?? child.pid ?? 0, 'SIGKILL');
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = /"pid":(\d+).*"msg":"ready"/.exec(line);
    if (!ready) continue;
    pid = Number(ready[1]);
    break;
  }
  if (pid === undefined) throw new Error('the server did not start');
  const tokensOf = await work(`http://localhost:${port}`, directory, tokens);
  // No last words: the power goes.
  process.kill(pid, 'SIGKILL');
  await ended;
  return tokensOf;
}

const RESOURCE = 'https://orders.example/mcp';
const AGENTS = 24;

async function work(base: string, directory: string, tokens: number): Promise<ReadonlyMap<string, string>> {
  const file = await readFile(join(directory, 'bootstrap-client.json'), 'utf8');
  const { client_id: id = '', client_secret: secret = '' } = JSON.parse(file) as Record<string, string>;
  const issue = async (client: readonly [string, string], resource?: string): Promise<string> => {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client[0],
      client_secret: client[1],
    });
    if (resource !== undefined) form.set('resource', resource);
    const response = await fetch(`${base}/token`, { method: 'POST', body: form });
    const { access_token } = (await response.json()) as { access_token?: string };
    if (access_token === undefined) throw new Error(`no token: ${response.status}`);
    return access_token;
  };
  const headers = {
    Authorization: `Bearer ${await issue([id, secret])}`,
    'Content-Type': 'application/json',
  };
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers
  const post = async (path: string, body?: object): Promise<any> => {
    const response = await fetch(`${base}/api/v1/${path}`, {
      method: 'POST',
      headers: body ? headers : { Authorization: headers.Authorization },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const credential = { method: 'client_secret' };
  const owner = await post('people', { name: 'An owner' });
  await post('resources', {
    identifier: RESOURCE,
    name: 'Orders',
    scopes: [{ name: 'read', sentence: 'Read orders', risk: 'low' }],
    tokenFormat: { kind: 'opaque' },
    accessTokenTtlSeconds: 3_600,
    credential,
  });
  const scopes = [{ resource: RESOURCE, scopes: ['read'] }];
  const agents: (readonly [string, string])[] = [];
  for (let index = 0; index < AGENTS; index += 1) {
    const agent = { name: 'An agent', ownerId: owner.id, envelope: scopes, baseline: scopes, credential };
    const made = await post('agents', agent);
    agents.push([made.id, made.secret]);
  }

  const tokensOf = new Map<string, string>();
  const issued = new EventCount();
  const issueFor = async (agent: readonly [string, string]): Promise<string> => {
    const token = await issue(agent, RESOURCE);
    tokensOf.set(token, agent[0]);
    issued.note();
    return token;
  };
  const caller = async (agent: readonly [string, string]): Promise<void> => {
    for (let turn = 0; issued.count < tokens; turn += 1) {
      const token = await issueFor(agent);
      if (turn % 3 !== 0) continue;
      const form = new URLSearchParams({ token, client_id: agent[0], client_secret: agent[1] });
      await fetch(`${base}/revoke`, { method: 'POST', body: form });
    }
  };
  const killer = async (): Promise<void> => {
    const victims = agents.slice(8);
    for (const [index, victim] of victims.entries()) {
      await issued.reached(Math.floor((tokens * index) / victims.length));
      await issueFor(victim);
      await post(`agents/${victim[0]}/kill`);
    }
  };
  await Promise.all([...agents.slice(0, 8).map(caller), killer()]);
  return tokensOf;
}
