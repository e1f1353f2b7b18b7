/** The long proofs, each with its size. What they do stands in the file of each; `npm test` runs them in a small form. */
import { deploy } from '../support/deployment.ts';
import { crashUnderLoad } from './crash.ts';
import { killBehindProxy } from './failover.ts';
import { playModel } from './model.ts';
import { type Figure, freshStore, type Proof, percentile, STORES, type StoreKind } from './proof.ts';
import { killUnderLoad, raceAssertions, wakeAfterKill } from './two-processes.ts';

/** Targets, in milliseconds. */
const BOOT_MS = 5_000;
const RECOVERY_P95_MS = 3_000;
const KILL_KNOWN_P99_MS = 1_000;
const FAILOVER_GAP_P99_MS = 1_000;
/** Longer than a process may trust what it knows. */
const SLEEP_MS = 2_000;

export const PROOFS: readonly Proof[] = [
  crash('sqlite', 50, 'Kills of the server under load lose nothing acknowledged and revive nothing dead'),
  crash(
    'mongo',
    20,
    'Kills of server and database under load lose nothing acknowledged and revive nothing dead',
  ),
  ...STORES.flatMap(kind => [kills(kind), races(kind), model(kind)]),
  {
    name: 'failover-mongo',
    claim: 'Of two processes behind a proxy one is always killed, and nothing acknowledged is lost (I10, G8)',
    async run(host, { seed, size, progress }) {
      const kills = size(50);
      const shared = await freshStore(host, 'mongo');
      const report = await killBehindProxy(host, shared, { kills, seed }, kill => progress(kill, kills));
      return [
        count('kills of a process', kills),
        count('tokens acknowledged', report.tokens),
        count('revocations acknowledged', report.revocations),
        count('kills of agents acknowledged', report.kills),
        count('rows of the trail, all verified', report.rows),
        ...quantiles('a caller without an answer', report.gapsMs, { p99: FAILOVER_GAP_P99_MS }),
      ];
    },
  },
];

function crash(kind: StoreKind, kills: number, claim: string): Proof {
  return {
    name: `crash-${kind}`,
    claim: `${claim} (I10, R149)`,
    async run(host, { seed, size, progress }) {
      const shared = await freshStore(host, kind, { crashes: true });
      const { crashBelow } = shared;
      const report = await crashUnderLoad(await deploy(host, shared), {
        kills: size(kills),
        seed,
        callers: 16,
        maxAcknowledged: 600,
        onRound: round => progress(round, size(kills)),
        ...(crashBelow && { crashBelow }),
      });
      return [
        count('kills of the process', size(kills)),
        count('tokens acknowledged', report.tokens),
        count('revocations acknowledged', report.revocations),
        count('kills of agents acknowledged', report.kills),
        count('rows of the trail, all verified', report.rows),
        { name: 'first boot', value: report.firstBootMs, unit: 'ms', atMost: BOOT_MS },
        ...quantiles('from start after a crash to ready', report.recoveriesMs, { p95: RECOVERY_P95_MS }),
      ];
    },
  };
}

function kills(kind: StoreKind): Proof {
  return {
    name: `kills-${kind}`,
    claim:
      'Once a kill is answered, no other process says that the token is active, under load or after sleeping (I7)',
    async run(host, { size, progress }) {
      const deployment = await deploy(host, await freshStore(host, kind));
      const report = await killUnderLoad(deployment, size(200), kill => progress(kill, size(200)));
      await wakeAfterKill(await deploy(host, await freshStore(host, kind)), SLEEP_MS);
      return [
        count('kills', size(200)),
        count('requests of others meanwhile', report.load),
        ...quantiles("from a kill's answer to the other process's refusal", report.refusedAfterMs, {
          p99: KILL_KNOWN_P99_MS,
        }),
      ];
    },
  };
}

function races(kind: StoreKind): Proof {
  return {
    name: `races-${kind}`,
    claim: 'An assertion that is presented 50 times at once to two processes gets one token (I1)',
    async run(host, { size, progress }) {
      const deployment = await deploy(host, await freshStore(host, kind));
      const races = size(60);
      const report = await raceAssertions(deployment, { races, width: 50 }, race => progress(race, races));
      return [count('attempts', report.attempts), count('tokens', report.tokens)];
    },
  };
}

function model(kind: StoreKind): Proof {
  return {
    name: `model-${kind}`,
    claim: 'Two processes answer random commands as the model does (I1, I2, I6, I7)',
    async run(host, { seed, size, progress }) {
      const deployment = await deploy(host, await freshStore(host, kind));
      const commands = size(10_000);
      const report = await playModel(deployment, { commands, seed }, done => progress(done, commands));
      return [count('commands', report.commands), count('tokens', report.tokens)];
    },
  };
}

function count(name: string, value: number): Figure {
  return { name, value, unit: '' };
}

function quantiles(
  name: string,
  valuesMs: readonly number[],
  targets: { readonly p95?: number; readonly p99?: number },
): Figure[] {
  const shares = { p50: 0.5, p95: 0.95, p99: 0.99, max: 1 };
  return Object.entries(shares).map(([quantile, share]) => {
    const atMost = targets[quantile as keyof typeof targets];
    const value = percentile(valuesMs, share);
    return { name: `${name}, ${quantile}`, value, unit: 'ms', ...(atMost !== undefined && { atMost }) };
  });
}
