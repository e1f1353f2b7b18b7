/** The long proofs, each with its size. What they do stands in the file of each; `npm test` runs them in a small form. */
import assert from 'node:assert/strict';
import { explore, TAKEN_OUT } from '../elevation/model.ts';
import { startBrowser } from '../support/browser.ts';
import { deploy } from '../support/deployment.ts';
import { crashUnderLoad } from './crash.ts';
import { runWhateverTheStore } from './every-store.ts';
import { killBehindProxy } from './failover.ts';
import { measureLists } from './flat-lists.ts';
import { stopAtOnce, stopUnderLoad, waitForHalfSentRequests } from './graceful-stop.ts';
import { showHostileReasons } from './hostile-reasons.ts';
import { playModel } from './model.ts';
import { losePower, missesStrace } from './power-loss.ts';
import { type Figure, freshStore, type Proof, percentile, STORES, type StoreKind } from './proof.ts';
import { restartAtRandom } from './restarts.ts';
import { rotateKeyByTime, rotateKeyInOrder, rotateSecret } from './rotation.ts';
import { holdApiToItsDocument } from './schemathesis.ts';
import { BEHIND_PROXY, killUnderLoad, raceAssertions, wakeAfterKill } from './two-processes.ts';
import { exportAndVerify } from './verify-trail.ts';

/** Targets, in milliseconds. */
const BOOT_MS = 5_000;
const RECOVERY_P95_MS = 3_000;
const KILL_KNOWN_P99_MS = 1_000;
const FAILOVER_GAP_P99_MS = 1_000;
/** Longer than a process may trust what it knows. */
const SLEEP_MS = 2_000;
/** A stop under load waits for a second, and as long as requests under way may take by default. */
const STOP_MS = 11_000;
/** With a deadline of a second. */
const CUT_OFF_MS = 5_000;
const STOP_AT_ONCE_MS = 1_000;
/** A verifier caches the JWKS for a second. */
const OVERLAP_SECONDS = 3;
const LATE_IN_JWKS_MS = 1_000;
const LIST_RATIO = 2;
const TRAIL_MIB = 400;
/** How many tests there are on both stores, about: to say how far it is. */
const TESTS_ABOUT = 300;

export const PROOFS: readonly Proof[] = [
  crash('sqlite', 50, 'Kills of the server under load lose nothing acknowledged and revive nothing dead'),
  crash(
    'mongo',
    20,
    'Kills of server and database under load lose nothing acknowledged and revive nothing dead',
  ),
  ...STORES.flatMap(kind => [kills(kind), races(kind), model(kind), rotations(kind), stops(kind)]),
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
  everyStore(),
  elevations(),
  hostileReasons(),
  restarts(),
  powerLoss(),
  flatLists(),
  verifyTrail(),
  ...STORES.map(schemathesis),
];

function everyStore(): Proof {
  return {
    name: 'every-store',
    claim: 'What the server decides is the same on MongoDB: each test that `npm test` runs on SQLite alone',
    missing: () => (STORES.includes('mongo') ? undefined : 'COUNTERSIGN_TEST_MONGODB=off leaves MongoDB out'),
    async run(host, { progress }) {
      const passed = await runWhateverTheStore(host, done => progress(done, TESTS_ABOUT));
      return [count('tests', passed)];
    },
  };
}

function elevations(): Proof {
  return {
    name: 'elevation-model',
    claim:
      'In every state that an elevation can come to, what I1, I4 and I6 say is true, and each guard is needed',
    async run(_host, { size, progress }) {
      const events = size(6);
      const { states, steps, broken } = explore({ events });
      assert.equal(broken, undefined, broken && `${broken.invariant}: ${broken.path.join(' → ')}`);
      for (const [index, without] of TAKEN_OUT.entries()) {
        assert.ok(explore({ events: 2, without }).broken, `nothing needs ${without}`);
        progress(index + 1, TAKEN_OUT.length);
      }
      return [
        count('states', states),
        count('steps', steps),
        count('guards, each taken out once', TAKEN_OUT.length),
      ];
    },
  };
}

function hostileReasons(): Proof {
  return {
    name: 'hostile-reasons',
    claim:
      'Whatever an agent says that its request is for, the card is complete and inert, and its buttons are in view (R079, I17)',
    async run(host, { seed, size, progress }) {
      // Of every fifth the card is looked at in a second language too.
      const reasons = 5 * size(200);
      const all = reasons + reasons / 5;
      const browser = await startBrowser();
      host.teardown(() => browser.close());
      const onCard = (cards: number) => progress(cards, all);
      const cards = await showHostileReasons(host, browser, { reasons, seed, onCard });
      return [count('reasons', reasons), count('cards, each at three sizes', cards)];
    },
  };
}

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
      const deployment = await deploy(host, await freshStore(host, kind), BEHIND_PROXY);
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

function rotations(kind: StoreKind): Proof {
  // A key that is rotated by time takes its overlap, with requests all along.
  const requests = kind === 'sqlite' ? 10_000 : 3_000;
  return {
    name: `rotations-${kind}`,
    claim: 'Signing keys and secrets are rotated under load, by two processes, and nobody notices (R057)',
    async run(host, { size, progress }) {
      const fresh = async () => deploy(host, await freshStore(host, kind));
      const all = 2 * size(requests);
      await rotateKeyInOrder(await fresh(), size(1_000));
      const options = { requests: size(requests), overlapSeconds: OVERLAP_SECONDS };
      const report = await rotateKeyByTime(await fresh(), options, done => progress(done, all));
      const secrets = await rotateSecret(
        await fresh(),
        { requests: size(requests), lateBy: Math.ceil(size(requests) / 100) },
        done => progress(size(requests) + done, all),
      );
      // A verifier whose keys were due just when the key changed notices nothing: then once more.
      let hasty: typeof report;
      let tries = 0;
      do {
        hasty = await rotateKeyByTime(await fresh(), { requests: size(1_000), overlapSeconds: 0 });
        tries += 1;
      } while (hasty.failedVerifications === 0 && tries < 5);
      assert.ok(
        hasty.failedVerifications > 0,
        'the verifier forgives a missing overlap: this proves nothing',
      );
      return [
        count('requests while a key was rotated', report.requests),
        count('requests while secrets were rotated', secrets.requests),
        count('answers 503, asked again', report.repeated),
        count('tokens by the former key', report.byFormer),
        count('tokens by the successor', report.bySuccessor),
        count('verifications with a cache of 1 s', report.verifications),
        { ...count('verifications that failed', report.failedVerifications), atMost: 0 },
        count('verifications that failed without an overlap', hasty.failedVerifications),
        {
          name: `of an overlap of ${OVERLAP_SECONDS} s, not yet in the JWKS`,
          value: Math.round(OVERLAP_SECONDS * 1_000 - report.publishedBeforeUseMs),
          unit: 'ms',
          atMost: LATE_IN_JWKS_MS,
        },
      ];
    },
  };
}

function stops(kind: StoreKind): Proof {
  return {
    name: `stops-${kind}`,
    claim:
      'A stop leaves no request unanswered, waits for those under way until its deadline, and ends (I10)',
    async run(host, { size, progress }) {
      // Each round has stores of its own, which take their time to start.
      const rounds = size(kind === 'sqlite' ? 6 : 3);
      const stopsMs: number[] = [];
      const cutOffsMs: number[] = [];
      const atOnceMs: number[] = [];
      let acknowledged = 0;
      for (let round = 0; round < rounds; round += 1) {
        const stopped = await stopUnderLoad(host, kind, { acknowledged: 300, delaySeconds: 1 });
        acknowledged += stopped.acknowledged;
        stopsMs.push(stopped.stopMs);
        cutOffsMs.push(await waitForHalfSentRequests(host, kind));
        atOnceMs.push(await stopAtOnce(host, kind));
        progress(round + 1, rounds);
      }
      return [
        count('tokens acknowledged', acknowledged),
        slowest('from the signal to the end, a second of it at work', stopsMs, STOP_MS),
        slowest('the same, cut off after a second', cutOffsMs, CUT_OFF_MS),
        slowest('from a second signal to the end', atOnceMs, STOP_AT_ONCE_MS),
      ];
    },
  };
}

function restarts(): Proof {
  return {
    name: 'restarts',
    claim:
      'A server that is ended at random points opens its store, knows what was acknowledged, and is not quarantined (I10)',
    async run(host, { seed, size, progress }) {
      const rounds = size(150);
      const report = await restartAtRandom(host, { rounds, seed, onRound: round => progress(round, rounds) });
      return [
        count('starts and stops', rounds),
        count('starts that were interrupted', report.interruptedStarts),
        count('first starts, in an empty directory', report.emptyDirectories),
        count('first starts, on an older schema', report.migrations),
        slowest('from a first start to ready', report.firstBootsMs, BOOT_MS),
        ...quantiles('from a later start to ready', report.bootsMs, { p95: RECOVERY_P95_MS }),
      ];
    },
  };
}

function powerLoss(): Proof {
  return {
    name: 'power-loss',
    claim: 'Nothing that was acknowledged is lost when the power goes at any moment (I1, I7, I10)',
    missing: missesStrace,
    async run(host, { seed, size, progress }) {
      const cuts = size(200);
      const report = await losePower(host, { cuts, seed, tokens: 600, onCut: cut => progress(cut, cuts) });
      assert.deepEqual(report.failures, []);
      return [
        count('losses of power', cuts),
        count('system calls in the recording', report.systemCalls),
        count('of them fsync', report.syncs),
        count('answers acknowledged', report.acknowledged),
        count('acknowledged facts found after the losses', report.held),
      ];
    },
  };
}

function flatLists(): Proof {
  return {
    name: 'flat-lists',
    claim:
      'A page of a list takes at most twice as long with 100,000 agents as with 1,000: first, middle and last, with each filter and in each order',
    async run(host, { size, progress }) {
      const many = Math.max(1_000, size(100_000));
      const lists = await measureLists(host, many, progress);
      return [
        count('agents', many),
        { name: 'slowest page', value: hundredths(Math.max(...lists.map(({ ms }) => ms))), unit: 'ms' },
        ...lists.map(({ name, ratio }) => ({
          name: `${name}: times as long`,
          value: hundredths(ratio),
          unit: '',
          atMost: LIST_RATIO,
        })),
      ];
    },
  };
}

function verifyTrail(): Proof {
  return {
    name: 'verify-trail',
    claim: 'A long trail is exported and verified, also offline, and one that was cut short does not verify',
    async run(host, { size, progress }) {
      const rows = size(1_000_000);
      const steps = await exportAndVerify(host, rows, progress);
      return [
        count('rows', rows),
        ...Object.entries(steps).flatMap(([step, { seconds, mebibytes }]) => [
          { name: step, value: hundredths(seconds), unit: 's' },
          { name: `${step}, memory`, value: Math.round(mebibytes), unit: 'MiB', atMost: TRAIL_MIB },
        ]),
      ];
    },
  };
}

/** Only by name: it gets a Python program from PyPI, and takes minutes. */
function schemathesis(kind: StoreKind): Proof {
  return {
    name: `schemathesis-${kind}`,
    claim: 'The admin API answers what Schemathesis makes of its document as the document says',
    onlyByName: true,
    async run(host, { seed, size }) {
      const { answers, byStatus } = await holdApiToItsDocument(host, kind, { examples: size(60), seed });
      return [
        count('answers', answers),
        ...Object.entries(byStatus).map(([status, answered]) => count(`answers ${status}`, answered)),
      ];
    },
  };
}

function slowest(name: string, valuesMs: readonly number[], atMost: number): Figure {
  return { name: `${name}, max`, value: percentile(valuesMs, 1), unit: 'ms', atMost };
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
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
