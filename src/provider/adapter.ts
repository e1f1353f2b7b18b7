import { createSecretKey, hash, hkdfSync } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { CommitOutcome } from '../audit/index.ts';
import type { Clock } from '../clock.ts';
import { StoreUnavailable } from '../errors.ts';
import { type SealingKey, sealingKey } from '../keys/index.ts';
import type { ClientSource } from './client-metadata.ts';
import type { EngineChange, EngineStore, StoredEngineRecord } from './engine-store.ts';
import { cannotAnswer } from './errors.ts';

export interface AdapterDeps {
  readonly records: EngineStore;
  readonly clients: ClientSource;
  readonly now: Clock;
}

/**
 * What the engine may store. Access tokens are not among them: the engine cannot issue one before it does so by the decision and
 * into the table that all tokens share.
 */
const STORED_MODELS = new Set([
  'Session',
  'Interaction',
  'Grant',
  'AuthorizationCode',
  'RefreshToken',
  'PushedAuthorizationRequest',
]);

/** Makes the engine's view of the store, one adapter for each of its models. */
export function adapterFactory(deps: AdapterDeps): (model: string) => Adapter {
  return model => {
    if (model === 'Client') return new ClientAdapter(deps.clients);
    if (model === 'ReplayDetection') return new ReplayAdapter(deps);
    return STORED_MODELS.has(model) ? new RecordAdapter(model, deps) : new UnusedAdapter(model);
  };
}

/** Refuses whatever is not overridden: an engine that starts to store something else must not do so unnoticed. */
class UnusedAdapter implements Adapter {
  readonly #model: string;

  constructor(model: string) {
    this.#model = model;
  }

  find(_id: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(undefined);
  }

  upsert(_id: string, _payload: AdapterPayload, _expiresIn?: number): Promise<void> {
    return this.#refuse('upsert');
  }

  findByUserCode(_userCode: string): Promise<undefined> {
    return this.#refuse('findByUserCode');
  }

  findByUid(_uid: string): Promise<AdapterPayload | undefined> {
    return this.#refuse('findByUid');
  }

  consume(_id: string): Promise<void> {
    return this.#refuse('consume');
  }

  destroy(_id: string): Promise<void> {
    return this.#refuse('destroy');
  }

  /** There is nothing that could belong to the grant. */
  revokeByGrantId(_grantId: string): Promise<void> {
    return Promise.resolve();
  }

  #refuse(operation: string): Promise<never> {
    return Promise.reject(new Error(`the engine must not ${operation} a ${this.#model}`));
  }
}

class ClientAdapter extends UnusedAdapter {
  readonly #clients: ClientSource;

  constructor(clients: ClientSource) {
    super('Client');
    this.#clients = clients;
  }

  override find(id: string): Promise<AdapterPayload | undefined> {
    return answering(this.#clients.findMetadata(id));
  }
}

/**
 * Values that the engine accepts once. It looks for them first and adds them then, so that two requests could both find nothing:
 * here only the adding decides.
 */
class ReplayAdapter extends UnusedAdapter {
  readonly #deps: AdapterDeps;

  constructor(deps: AdapterDeps) {
    super('ReplayDetection');
    this.#deps = deps;
  }

  override async upsert(id: string, _payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { records, now } = this.#deps;
    const expiresAt = now() + seconds(expiresIn);
    const use = { kind: 'use-once', value: `engine-replay ${id}`, expiresAt } as const;
    const outcome = await answering(records.commit({ changes: [use], events: [] }));
    if (!outcome.committed) throw new errors.InvalidRequest('a single-use value was presented again');
  }
}

/**
 * The engine's own records. The identifier of most is the secret that its holder presents, such as a code: stored is a digest of it,
 * and what it says is sealed with a key made of it, so that a copy of the store opens nothing (I11). A session is found by a
 * second name too and therefore is not sealed; it says nothing secret.
 */
class RecordAdapter extends UnusedAdapter {
  readonly #model: string;
  readonly #records: EngineStore;
  readonly #now: Clock;
  readonly #isSealed: boolean;

  constructor(model: string, deps: AdapterDeps) {
    super(model);
    this.#model = model;
    this.#records = deps.records;
    this.#now = deps.now;
    this.#isSealed = model !== 'Session';
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { jti: _secret, consumed: _consumed, ...said } = payload;
    const text = JSON.stringify(said);
    const { grantId, uid } = payload;
    await this.#commit({
      kind: 'engine-put',
      record: {
        model: this.#model,
        key: this.#keyOf(id),
        payload: this.#isSealed ? sealWith(id).seal(Buffer.from(text), this.#model) : text,
        ...(grantId !== undefined && { grantId }),
        ...(uid !== undefined && { uid }),
        expiresAt: this.#now() + seconds(expiresIn),
      },
    });
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const record = await answering(this.#records.findEngineRecord(this.#model, this.#keyOf(id)));
    const payload = this.#read(record, text => sealWith(id).unseal(text, this.#model).toString());
    return payload && { ...payload, jti: id };
  }

  /** A session found by its second name can be read; it cannot be saved, since nobody here knows its identifier. */
  override async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#read(await answering(this.#records.findEngineRecordByUid(this.#model, uid)));
  }

  /** The engine takes no notice of what this returns: to lose the race is to throw. */
  override async consume(id: string): Promise<void> {
    const change = {
      kind: 'engine-consume',
      model: this.#model,
      key: this.#keyOf(id),
      now: this.#now(),
    } as const;
    const outcome = await this.#commit(change);
    if (outcome.committed) return;
    throw this.#model === 'PushedAuthorizationRequest'
      ? new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used')
      : new errors.InvalidGrant('already used');
  }

  override async destroy(id: string): Promise<void> {
    await this.#commit({ kind: 'engine-destroy', model: this.#model, key: this.#keyOf(id) });
  }

  override async revokeByGrantId(grantId: string): Promise<void> {
    await this.#commit({ kind: 'engine-revoke-grant', model: this.#model, grantId });
  }

  #read(
    record: StoredEngineRecord | undefined,
    open: (text: string) => string = text => text,
  ): AdapterPayload | undefined {
    if (!record || record.expiresAt <= this.#now()) return undefined;
    const payload = JSON.parse(this.#isSealed ? open(record.payload) : record.payload) as AdapterPayload;
    return record.consumedAt === undefined
      ? payload
      : { ...payload, consumed: Math.floor(record.consumedAt / 1000) };
  }

  #commit(change: EngineChange): Promise<CommitOutcome> {
    return answering(this.#records.commit({ changes: [change], events: [] }));
  }

  #keyOf(id: string): string {
    return hash('sha256', `engine record ${this.#model} ${id}`, 'base64url');
  }
}

/** @throws when the engine names no lifetime: what never expires is never forgotten */
function seconds(expiresIn: number | undefined): number {
  if (expiresIn === undefined || !Number.isFinite(expiresIn)) throw new Error('a record without a lifetime');
  return expiresIn * 1000;
}

/** The identifier has 126 random bits at least, so a key made of it is as good as one drawn for the purpose. */
function sealWith(id: string): SealingKey {
  const key = hkdfSync('sha256', id, '', 'countersign engine record', 32);
  return sealingKey(createSecretKey(Buffer.from(key)));
}

/** A store that cannot answer is told apart from a fault of ours: the caller may try again. */
async function answering<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof StoreUnavailable ? cannotAnswer(error) : error;
  }
}
