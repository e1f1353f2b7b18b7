/**
 * Random commands to two processes on one store, each answer held against a model that a reader can check by eye (I1, I2, I6, I7):
 * agents, their owner and a resource server are killed and restored, secrets replaced, tokens issued, asked about and revoked. Who
 * is asked is random too, so whatever one process was told, the other one knows.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Deployment, populate } from '../support/deployment.ts';
import { patient, type ServerProcess } from '../support/server-process.ts';
import type { Answer, TestAgent, TestResource } from '../support/start-app.ts';
import { assertUnproven } from './proof.ts';

const AGENTS = 3;
const COMMANDS_A_RUN = 100;

type Standing = 'active' | 'suspended' | 'retired';

interface ModelAgent {
  readonly id: string;
  secret: string;
  standing: Standing;
  /** What was issued before it was killed is dead for good. */
  epoch: number;
}

interface ModelToken {
  readonly value: string;
  readonly agent: ModelAgent;
  /** As they were when it was issued. */
  readonly epochs: readonly number[];
  isRevoked: boolean;
}

interface Model {
  readonly agents: readonly ModelAgent[];
  readonly owner: { standing: Standing; epoch: number };
  readonly resource: { standing: Standing; epoch: number };
  readonly tokens: ModelToken[];
}

/** What commands are played on: two processes, and the records of one run. */
interface Real {
  readonly servers: readonly Pick<ServerProcess, 'post' | 'call'>[];
  readonly resource: TestResource;
  readonly foreign: TestResource;
  readonly ownerId: string;
  administer(): Promise<{ readonly Authorization: string }>;
}

/** One command: what is done, at which process, and on what. Numbers are taken modulo what there is. */
interface Step {
  readonly play: string;
  readonly server: number;
  readonly pick: number;
}

const epochsOf = (model: Model, agent: ModelAgent): number[] => [
  agent.epoch,
  model.owner.epoch,
  model.resource.epoch,
];

/** Whether an agent gets anything: what it holds it may give up also while its owner is suspended. */
function mayCome(model: Model, agent: ModelAgent): boolean {
  return agent.standing === 'active' && model.owner.standing === 'active';
}

/** Whether a token lives, by the model alone. */
function isAlive(model: Model, { agent, epochs, isRevoked }: ModelToken): boolean {
  return !isRevoked && epochsOf(model, agent).every((epoch, index) => epoch === epochs[index]);
}

const at = <T>(items: readonly T[], index: number): T => items[index % items.length] as T;

async function call(real: Real, step: Step, path: string): Promise<Answer> {
  const headers = await real.administer();
  return at(real.servers, step.server).call('POST', `/api/v1${path}`, { headers });
}

const PLAYS: Readonly<Record<string, (model: Model, real: Real, step: Step) => Promise<void>>> = {
  async issue(model, real, step) {
    const agent = at(model.agents, step.pick);
    const scope = at(
      [undefined, 'read', 'read', undefined, 'write', 'delete', 'nonsense'],
      Math.floor(step.pick / AGENTS),
    );
    const form = { grant_type: 'client_credentials', resource: real.resource.identifier, scope };
    const answer = await at(real.servers, step.server).post('/token', form, {
      basic: [agent.id, agent.secret],
    });
    if (!mayCome(model, agent)) assertUnproven(answer, 'it may not come');
    else if (model.resource.standing !== 'active') assert.deepEqual(seen(answer), [400, 'invalid_target']);
    else if (scope !== undefined && scope !== 'read') assert.deepEqual(seen(answer), [400, 'invalid_scope']);
    else {
      assert.deepEqual([answer.status, answer.json.scope], [200, 'read'], answer.text);
      const value: string = answer.json.access_token;
      model.tokens.push({ value, agent, epochs: epochsOf(model, agent), isRevoked: false });
    }
  },
  async introspect(model, real, step) {
    if (model.tokens.length === 0) return;
    const token = at(model.tokens, step.pick);
    await holdToken(model, real, token, step.server);
  },
  async 'introspect as another'(model, real, step) {
    if (model.tokens.length === 0) return;
    const { value } = at(model.tokens, step.pick);
    const basic = [real.foreign.id, real.foreign.secret] as const;
    const answer = await at(real.servers, step.server).post('/introspect', { token: value }, { basic });
    assert.deepEqual([answer.status, answer.text], [200, '{"active":false}']);
  },
  async revoke(model, real, step) {
    if (model.tokens.length === 0) return;
    const token = at(model.tokens, step.pick);
    // Now and then another agent tries, which changes nothing.
    const agent = step.pick % 4 === 0 ? at(model.agents, step.pick) : token.agent;
    const answer = await at(real.servers, step.server).post(
      '/revoke',
      { token: token.value },
      { basic: [agent.id, agent.secret] },
    );
    if (agent.standing === 'active') assert.equal(answer.status, 200, answer.text);
    else assertUnproven(answer, 'it is stopped');
    if (answer.status === 200 && agent === token.agent) token.isRevoked = true;
  },
  async 'kill agent'(model, real, step) {
    const agent = at(model.agents, step.pick);
    const answer = await call(real, step, `/agents/${agent.id}/kill`);
    assert.equal(answer.status, 200, answer.text);
    if (agent.standing !== 'active') return;
    agent.standing = 'suspended';
    agent.epoch += 1;
  },
  async 'restore agent'(model, real, step) {
    const agent = at(model.agents, step.pick);
    const answer = await call(real, step, `/agents/${agent.id}/restore`);
    assert.equal(answer.status, agent.standing === 'retired' ? 409 : 200, answer.text);
    if (answer.status === 200) agent.standing = 'active';
  },
  async 'retire agent'(model, real, step) {
    // Seldom: nothing brings one back.
    if (step.pick % 16 !== 0) return;
    const agent = at(model.agents, step.pick);
    const answer = await call(real, step, `/agents/${agent.id}/retire`);
    assert.equal(answer.status, 200, answer.text);
    if (agent.standing === 'active') agent.epoch += 1;
    agent.standing = 'retired';
  },
  async 'replace secret'(model, real, step) {
    const agent = at(model.agents, step.pick);
    const answer = await call(real, step, `/agents/${agent.id}/secrets`);
    if (agent.standing === 'retired') return assert.equal(answer.status, 409, answer.text);
    assert.equal(answer.status, 201, answer.text);
    agent.secret = answer.json.secret;
  },
  async 'kill owner'(model, real, step) {
    assert.equal((await call(real, step, `/people/${real.ownerId}/kill`)).status, 200);
    if (model.owner.standing !== 'active') return;
    model.owner.standing = 'suspended';
    model.owner.epoch += 1;
  },
  async 'restore owner'(model, real, step) {
    assert.equal((await call(real, step, `/people/${real.ownerId}/restore`)).status, 200);
    model.owner.standing = 'active';
  },
  async 'kill resource server'(model, real, step) {
    assert.equal((await call(real, step, `/resources/${real.resource.id}/kill`)).status, 200);
    if (model.resource.standing !== 'active') return;
    model.resource.standing = 'suspended';
    model.resource.epoch += 1;
  },
  async 'restore resource server'(model, real, step) {
    assert.equal((await call(real, step, `/resources/${real.resource.id}/restore`)).status, 200);
    model.resource.standing = 'active';
  },
};

/** What is asked most comes most often; what ends things for all, seldom. */
const WEIGHTS: Readonly<Record<keyof typeof PLAYS, number>> = {
  issue: 16,
  introspect: 12,
  'introspect as another': 1,
  revoke: 3,
  'kill agent': 2,
  'restore agent': 6,
  'retire agent': 1,
  'replace secret': 1,
  'kill owner': 1,
  'restore owner': 4,
  'kill resource server': 1,
  'restore resource server': 4,
};

const anyStep: fc.Arbitrary<Step> = fc.record({
  play: fc.oneof(
    ...Object.entries(WEIGHTS).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })),
  ),
  server: fc.nat({ max: 1 }),
  pick: fc.nat({ max: 10_000 }),
});

export interface ModelReport {
  readonly commands: number;
  readonly tokens: number;
}

/** @throws {Error} with the seed and the commands, at the first answer that the model would not have given */
export async function playModel(
  deployment: Deployment,
  { commands, seed }: { readonly commands: number; readonly seed: number },
  onCommands: (done: number) => void = () => undefined,
): Promise<ModelReport> {
  const started = await Promise.all([deployment.start(), deployment.start()]);
  const servers = started.map(server => patient(server));
  const runs = Math.ceil(commands / COMMANDS_A_RUN);
  const sequences = fc.sample(fc.array(anyStep, { minLength: COMMANDS_A_RUN, maxLength: COMMANDS_A_RUN }), {
    numRuns: runs,
    seed,
  });
  let tokens = 0;
  for (const [run, sequence] of sequences.entries()) {
    const world = await populate(deployment, AGENTS);
    const foreign = (await populate(deployment, 0)).resource;
    const agents = world.agents.map(
      ({ id, basic }: TestAgent): ModelAgent => ({ id, secret: basic[1], standing: 'active', epoch: 0 }),
    );
    const model: Model = {
      agents,
      owner: { standing: 'active', epoch: 0 },
      resource: { standing: 'active', epoch: 0 },
      tokens: [],
    };
    const admin = await deployment.administer(started[0], 'kill agents people');
    const real: Real = {
      servers,
      resource: world.resource,
      foreign,
      ownerId: world.ownerId,
      administer: async () => admin,
    };
    for (const [index, step] of sequence.entries()) {
      try {
        await PLAYS[step.play]?.(model, real, step);
      } catch (cause) {
        const before = sequence
          .slice(0, index + 1)
          .map(({ play, server, pick }) => `${play} (process ${server}, ${pick})`)
          .join('\n');
        throw new Error(`seed ${seed}, run ${run}, after:\n${before}\n${String(cause)}`, { cause });
      }
    }
    // At the end each process says of every token what the model says.
    for (const token of model.tokens) {
      for (const server of servers.keys()) await holdToken(model, real, token, server);
    }
    tokens += model.tokens.length;
    onCommands((run + 1) * COMMANDS_A_RUN);
  }
  return { commands: runs * COMMANDS_A_RUN, tokens };
}

/** The process says of the token what the model says. */
async function holdToken(model: Model, real: Real, token: ModelToken, server: number): Promise<void> {
  const basic = [real.resource.id, real.resource.secret] as const;
  const answer = await at(real.servers, server).post('/introspect', { token: token.value }, { basic });
  // A killed resource server may not ask any more.
  if (model.resource.standing !== 'active') assertUnproven(answer, 'it is stopped');
  else assert.deepEqual([answer.status, answer.json.active], [200, isAlive(model, token)], answer.text);
}

function seen({ status, json }: Answer): [number, string] {
  return [status, json?.error];
}
