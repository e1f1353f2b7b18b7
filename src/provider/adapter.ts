import { createSecretKey, hash, hkdfSync } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider';
import { type AuditEvent, type CommitOutcome, type Origin, refuseWhileAhead } from '../audit/index.ts';
import type { Moment } from '../clock.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { type SealingKey, sealingKey } from '../keys/index.ts';
import { newOrigin } from '../origin.ts';
import { actingAuthority, refuseEnded } from './acting-authority.ts';
import type { ClientLookup, ClientSource } from './client-metadata.ts';
import type { EngineChange, EngineStore, StoredEngineRecord } from './engine-store.ts';
import { datedForEngine } from './engine-time.ts';
import { cannotAnswer } from './errors.ts';
import { type Bound, bindingOf, ENGINE_BINDINGS, judgePresented, mayComeBack } from './holder.ts';

export interface AdapterDeps {
  readonly records: EngineStore;
  readonly clients: ClientSource;
  readonly moment: () => Moment;
  /** Takes the record of a refusal; alike ones are counted. */
  readonly refusals: { note(event: AuditEvent): Promise<void> };
  /** Ends everything that was issued under a grant. */
  endGrant(grantId: string, reason: GrantEnd, origin: Origin): Promise<void>;
}

/** Why a grant ends: something of it was presented again, or its holder gave it up. */
export type GrantEnd = 'used-again' | 'revoked';

/** What the engine may store. Access tokens are not among them: they are in the table that all tokens share (`access-token.ts`). */
const STORED_MODELS = new Set([
  'Session',
  'Interaction',
  'Grant',
  'AuthorizationCode',
  'RefreshToken',
  'PushedAuthorizationRequest',
]);

/** What a client presents and has to be the holder of. */
const HELD_MODELS = new Set(['AuthorizationCode', 'RefreshToken']);

/** What lets somebody act: none is made while nothing may be issued or approved. */
const AUTHORITY_MODELS = new Set(['Grant', 'AuthorizationCode', 'RefreshToken']);

/** Where browsers come, and come back to. */
const AUTHORIZATION_PATH = /^\/authorize(?:\/|$)/;

/**
 * The engine does not say when a value was made: none that it accepts once lives longer. Client assertions that may are judged before,
 * by their own times (`client-proof.ts`).
 */
const LONGEST_LIFE_MS = 330_000;

type Removal = Extract<EngineChange, { readonly kind: 'engine-destroy' | 'engine-revoke-grant' }>;

/** Makes the engine's view of the store, one adapter for each of its models. */
export function adapterFactory(deps: AdapterDeps): (model: string) => Adapter {
  return model => {
    if (model === 'Client') return new ClientAdapter(deps);
    if (model === 'ReplayDetection') return new ReplayAdapter(deps);
    if (model === 'AccessToken') return new AccessTokenAdapter(deps);
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
  readonly #moment: () => Moment;

  constructor({ clients, moment }: AdapterDeps) {
    super('Client');
    this.#clients = clients;
    this.#moment = moment;
  }

  override find(id: string): Promise<AdapterPayload | undefined> {
    return answering(this.#clients.findMetadata(id, currentLookup(this.#moment)));
  }
}

/** The engine stores no access token; when a grant is revoked, those that were issued under it end with it. */
class AccessTokenAdapter extends UnusedAdapter {
  readonly #deps: AdapterDeps;

  constructor(deps: AdapterDeps) {
    super('AccessToken');
    this.#deps = deps;
  }

  override revokeByGrantId(grantId: string): Promise<void> {
    return answering(this.#deps.endGrant(grantId, 'used-again', currentOrigin(this.#deps.moment)));
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
    const { records, moment } = this.#deps;
    const at = moment().now;
    const use = {
      kind: 'use-once',
      value: `engine-replay ${id}`,
      usableFrom: at - LONGEST_LIFE_MS,
      expiresAt: at + seconds(expiresIn),
    } as const;
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
  readonly #deps: AdapterDeps;
  readonly #records: EngineStore;
  readonly #moment: () => Moment;
  readonly #isSealed: boolean;

  constructor(model: string, deps: AdapterDeps) {
    super(model);
    this.#model = model;
    this.#deps = deps;
    this.#records = deps.records;
    this.#moment = deps.moment;
    this.#isSealed = model !== 'Session';
  }

  override async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    if (AUTHORITY_MODELS.has(this.#model)) await this.#assertClockRight(payload);
    const { jti: _secret, consumed: _consumed, ...said } = payload;
    const text = JSON.stringify({ ...said, ...ENGINE_BINDINGS, ...bindingOf(this.#model, payload) });
    const { grantId, uid } = payload;
    await this.#change({
      kind: 'engine-put',
      record: {
        model: this.#model,
        key: this.#keyOf(id),
        payload: this.#isSealed ? sealWith(id).seal(Buffer.from(text), this.#model) : text,
        ...(grantId !== undefined && { grantId }),
        ...(uid !== undefined && { uid }),
        expiresAt: this.#moment().now + seconds(expiresIn),
      },
    });
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const record = await answering(this.#records.findEngineRecord(this.#model, this.#keyOf(id)));
    const payload = this.#read(record, text => sealWith(id).unseal(text, this.#model).toString());
    if (!payload) return undefined;
    return HELD_MODELS.has(this.#model)
      ? this.#present({ ...payload, jti: id }, record?.consumedAt)
      : { ...payload, jti: id };
  }

  async #assertClockRight({ clientId, accountId }: AdapterPayload): Promise<void> {
    const about = {
      type: 'grant.refused',
      ...(clientId !== undefined && { client: clientId }),
      ...(accountId !== undefined && { subject: accountId }),
    } as const;
    const refused = refuseWhileAhead(this.#deps.refusals, about, currentOrigin(this.#moment));
    await refused?.catch(error => {
      throw error instanceof Refused ? cannotAnswer(error) : error;
    });
  }

  /** A code or refresh token as the engine has to take it, by who presents it and when. */
  async #present(
    payload: AdapterPayload & Bound,
    consumedAt: number | undefined,
  ): Promise<AdapterPayload | undefined> {
    const { now, latest } = this.#moment();
    const presented = judgePresented(this.#model, payload, consumedAt, latest);
    // No grant ends for a clock that may be wrong: it is told when there is no doubt.
    if (presented === 'used' && judgePresented(this.#model, payload, consumedAt, now) === 'usable')
      throw cannotAnswer(new Error('whether it was used too long ago is in doubt'));
    switch (presented) {
      case 'usable':
        return { ...payload, consumed: undefined };
      case 'used':
        return payload;
      case 'foreign':
        throw new errors.InvalidGrant('presented by who does not hold it');
      case 'stolen':
        await endHeldGrant(this.#deps, payload.grantId ?? '', 'used-again', currentOrigin(this.#moment));
        throw new errors.InvalidGrant('presented again, by who does not hold it');
    }
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
      now: this.#moment().now,
    } as const;
    const outcome = await this.#change(change);
    if (outcome.committed) return;
    // Two sessions of one client may have come with it at the same moment.
    const record = await answering(this.#records.findEngineRecord(this.#model, change.key));
    if (mayComeBack(this.#model, record?.consumedAt, change.now)) return;
    throw this.#model === 'PushedAuthorizationRequest'
      ? new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used')
      : new errors.InvalidGrant('already used');
  }

  override async destroy(id: string): Promise<void> {
    await this.#remove({ kind: 'engine-destroy', model: this.#model, key: this.#keyOf(id) });
  }

  override async revokeByGrantId(grantId: string): Promise<void> {
    await this.#remove({ kind: 'engine-revoke-grant', model: this.#model, grantId });
  }

  #read(
    record: StoredEngineRecord | undefined,
    open: (text: string) => string = text => text,
  ): AdapterPayload | undefined {
    const leftMs = record ? record.expiresAt - this.#moment().latest : 0;
    if (!record || leftMs <= 0) return undefined;
    const said = JSON.parse(this.#isSealed ? open(record.payload) : record.payload) as AdapterPayload;
    const payload = datedForEngine(said, leftMs);
    return record.consumedAt === undefined
      ? payload
      : { ...payload, consumed: Math.floor(record.consumedAt / 1000) };
  }

  /** @throws where who is at work has ended since it was found out who that is */
  async #change(change: Exclude<EngineChange, Removal>): Promise<CommitOutcome> {
    const unit = { changes: [change], events: [], authority: actingAuthority(this.#model) };
    const outcome = await answering(this.#records.commit(unit));
    refuseEnded(outcome, this.#model);
    return outcome;
  }

  async #remove(change: Removal): Promise<void> {
    await answering(this.#records.commit({ changes: [change], events: [] }));
  }

  #keyOf(id: string): string {
    return keyOf(this.#model, id);
  }
}

function keyOf(model: string, id: string): string {
  return hash('sha256', `engine record ${model} ${id}`, 'base64url');
}

/** Ends a grant, and forgets the codes and refresh tokens of it. */
export async function endHeldGrant(
  { records, endGrant }: Pick<AdapterDeps, 'records' | 'endGrant'>,
  grantId: string,
  reason: GrantEnd,
  origin: Origin,
): Promise<void> {
  await answering(endGrant(grantId, reason, origin));
  const changes = [...HELD_MODELS].map(model => ({ kind: 'engine-revoke-grant', model, grantId }) as const);
  await answering(records.commit({ changes, events: [] }));
}

/** Whose refresh token a value is, used up or not, and under which grant. */
export async function findRefreshToken(
  { records, moment }: Pick<AdapterDeps, 'records' | 'moment'>,
  value: string,
): Promise<{ readonly clientId: string; readonly grantId: string } | undefined> {
  const model = 'RefreshToken';
  const record = await records.findEngineRecord(model, keyOf(model, value));
  if (!record || record.expiresAt <= moment().latest) return undefined;
  const { clientId, grantId } = JSON.parse(sealWith(value).unseal(record.payload, model).toString());
  return { clientId, grantId };
}

/**
 * In milliseconds; whole ones, since the end of an assertion may have a fraction.
 *
 * @throws when the engine names no lifetime: what never expires is never forgotten
 */
function seconds(expiresIn: number | undefined): number {
  if (expiresIn === undefined || !Number.isFinite(expiresIn)) throw new Error('a record without a lifetime');
  return Math.ceil(expiresIn * 1000);
}

/** The identifier has 126 random bits at least, so a key made of it is as good as one drawn for the purpose. */
function sealWith(id: string): SealingKey {
  const key = hkdfSync('sha256', id, '', 'countersign engine record', 32);
  return sealingKey(createSecretKey(Buffer.from(key)));
}

/** The request that the engine is at work on. */
function currentOrigin(moment: () => Moment): Origin {
  const origin = Provider.ctx?.state['origin'] as Origin | undefined;
  return origin ?? newOrigin(moment());
}

function currentLookup(moment: () => Moment): ClientLookup {
  const { ctx } = Provider;
  const origin = currentOrigin(moment);
  return { origin, mayFetch: ctx !== undefined && AUTHORIZATION_PATH.test(ctx.path) };
}

/** A store that cannot answer is told apart from a fault of ours: the caller may try again. */
async function answering<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof StoreUnavailable ? cannotAnswer(error) : error;
  }
}
