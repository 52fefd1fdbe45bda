import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { CronJob } from 'kubernetes-models/batch/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Namespace, PersistentVolumeClaim, Service } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { environmentFields } from '../../src/config/environment.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { REPO } from '../paths.ts';
import { metricFaults } from './promql.ts';

const ROOT = path.join(REPO, 'deploy/kubernetes');
const FOLDERS = ['base', 'components/feed', 'components/keda', 'components/monitoring', 'example'];

/** Classes that know the schemas of their kinds. */
const KINDS: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'apps/v1 Deployment': Deployment,
  'batch/v1 CronJob': CronJob,
  'policy/v1 PodDisruptionBudget': PodDisruptionBudget,
  'v1 ConfigMap': ConfigMap,
  'v1 Namespace': Namespace,
  'v1 PersistentVolumeClaim': PersistentVolumeClaim,
  'v1 Service': Service,
  'keda.sh/v1alpha1 ScaledObject': ScaledObject,
};

const podMonitor = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata: z.object({ name: z.string() }),
  spec: z.strictObject({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    podMetricsEndpoints: z.array(
      z.strictObject({ port: z.string(), path: z.string(), interval: z.string(), honorLabels: z.literal(true) }),
    ),
  }),
});

const container = z.object({
  image: z.string(),
  args: z.array(z.string()).min(1),
  env: z
    .array(
      z.union([
        z.strictObject({ name: z.string(), value: z.string() }),
        z.strictObject({
          name: z.string(),
          valueFrom: z.strictObject({ secretKeyRef: z.object({ name: z.string(), key: z.string() }) }),
        }),
      ]),
    )
    .default([]),
  envFrom: z.array(
    z.union([
      z.strictObject({ configMapRef: z.object({ name: z.string() }) }),
      z.strictObject({ secretRef: z.object({ name: z.string(), optional: z.boolean().optional() }) }),
    ]),
  ),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  livenessProbe: z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) }).optional(),
  readinessProbe: z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) }).optional(),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const podSchema = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()) }),
  spec: z.object({
    enableServiceLinks: z.literal(false),
    automountServiceAccountToken: z.literal(false),
    securityContext: z.object({ runAsNonRoot: z.literal(true) }),
    terminationGracePeriodSeconds: z.number().optional(),
    containers: z.tuple([container]),
    volumes: z.array(
      z.object({ name: z.string(), persistentVolumeClaim: z.object({ claimName: z.string() }).optional() }),
    ),
  }),
});

type Document = {
  readonly file: string;
  readonly kind: string;
  readonly name: string;
  readonly data: Record<string, unknown>;
};

function documentsOf(file: string): Document[] {
  return parseAllDocuments(readFileSync(path.join(ROOT, file), 'utf8')).map((parsed) => {
    expect(parsed.errors, file).toEqual([]);
    const data = parsed.toJS() as Record<string, unknown> & {
      apiVersion: string;
      kind: string;
      metadata?: { name: string };
    };
    return { file, kind: `${data.apiVersion} ${data.kind}`, name: data.metadata?.name ?? '', data };
  });
}

const yamlFiles = (folder: string) => readdirSync(path.join(ROOT, folder)).filter((name) => name.endsWith('.yaml'));
const kustomizations = FOLDERS.map((folder) => {
  const [first] = documentsOf(`${folder}/kustomization.yaml`);
  const data = z
    .object({
      resources: z.array(z.string()).default([]),
      components: z.array(z.string()).default([]),
      configMapGenerator: z.array(z.object({ name: z.string(), files: z.array(z.string()) })).default([]),
      images: z.array(z.object({ name: z.string(), newTag: z.string().optional() })).default([]),
      patches: z
        .array(z.object({ target: z.object({ kind: z.string(), name: z.string().optional() }), patch: z.string() }))
        .default([]),
    })
    .parse(first?.data);
  return { folder, ...data };
});
const documents = kustomizations.flatMap(({ folder, resources }) =>
  resources.filter((name) => name.endsWith('.yaml')).flatMap((name) => documentsOf(`${folder}/${name}`)),
);
const pods = documents.flatMap(({ kind, name, data }) => {
  const spec = data.spec as { template?: unknown; jobTemplate?: { spec: { template: unknown } } };
  if (kind === 'apps/v1 Deployment') return [{ name, pod: podSchema.parse(spec.template) }];
  if (kind === 'batch/v1 CronJob') return [{ name, pod: podSchema.parse(spec.jobTemplate?.spec.template) }];
  return [];
});

/** What the secrets hold, for the check of a whole configuration. */
const SECRETS: Readonly<Record<string, Record<string, string>>> = {
  'nof0-servers': {
    DATABASE_URL: 'postgres://nof0:secret@postgres/nof0',
    REDIS_QUEUE_URL: 'redis://queue:6379',
    REDIS_CACHE_URL: 'redis://cache:6379',
  },
  'nof0-tokens': { NOF0_HTTP_TOKENS: 'carol:operator:0123456789abcdef' },
  'nof0-keys': {},
};

function configOf(pod: z.infer<typeof podSchema>): Config {
  const [{ env, envFrom }] = pod.spec.containers;
  const settings = documents.find(({ kind, name }) => kind === 'v1 ConfigMap' && name === 'nof0')?.data.data;
  const given: Record<string, string> = {};
  for (const source of envFrom)
    Object.assign(given, 'configMapRef' in source ? settings : (SECRETS[source.secretRef.name] ?? {}));
  for (const each of env)
    given[each.name] =
      'value' in each
        ? each.value
        : (SECRETS[each.valueFrom.secretKeyRef.name]?.[each.valueFrom.secretKeyRef.key] ?? '(no such secret)');
  return loadConfig({ env: given, cwd: tmpdir(), arenaFile: path.join(REPO, 'config/arena.yaml') });
}

describe('every document', () => {
  it('is listed, and what is listed is there', () => {
    for (const { folder, resources, components, configMapGenerator } of kustomizations) {
      const named = [...resources, ...components, ...configMapGenerator.flatMap(({ files }) => files)];
      for (const name of named) expect(existsSync(path.join(ROOT, folder, name)), `${folder}: ${name}`).toBe(true);
      expect(yamlFiles(folder).filter((name) => !named.includes(name))).toEqual(['kustomization.yaml']);
    }
  });

  it.each(documents.map((each) => [`${each.kind} ${each.name}`, each] as const))(
    '%s fits its schema',
    (_, { kind, data }) => {
      if (kind === 'monitoring.coreos.com/v1 PodMonitor') {
        podMonitor.parse(data);
        return;
      }
      const Kind = KINDS[kind];
      if (Kind === undefined) throw new Error(`no schema for ${kind}`);
      new Kind(data as never).validate();
    },
  );

  it('holds no secret: they are named, and made by hand', () => {
    expect(documents.filter(({ kind }) => kind === 'v1 Secret')).toEqual([]);
    const page = readFileSync(path.join(REPO, 'docs/deployment.md'), 'utf8');
    for (const [name, keys] of Object.entries(SECRETS)) {
      expect(page, name).toContain(`secret generic ${name}`);
      for (const key of Object.keys(keys)) expect(page).toContain(`--from-literal=${key}=`);
    }
  });
});

describe.each(pods)('the pods of $name', ({ name, pod }) => {
  const [own] = pod.spec.containers;

  it('have a whole configuration, by names of the reference', () => {
    const config = configOf(pod);
    expect(config.run).toBe('main');
    for (const { name: variable } of own.env) expect(Object.keys(environmentFields)).toContain(variable);
    if (own.ports.length > 0) expect(config.http.host).toBe('0.0.0.0');
  });

  it('run a command that exists, from the image that kustomize names', () => {
    const commands = readdirSync(path.join(REPO, 'src/cli'))
      .map((file) => readFileSync(path.join(REPO, 'src/cli', file), 'utf8'))
      .flatMap((text) => [...text.matchAll(/\.command\('([\w-]+)'/g)].map(([, command]) => command));
    expect(commands).toContain(own.args[0]);
    const { version } = JSON.parse(readFileSync(path.join(REPO, 'package.json'), 'utf8')) as { version: string };
    expect(kustomizations[0]?.images).toEqual([{ name: own.image, newTag: version }]);
  });

  it('are asked for their health on the port that they listen on', () => {
    const config = configOf(pod);
    const [port] = own.ports;
    if (port === undefined) return;
    expect(port.containerPort).toBe(port.name === 'http' ? config.http.port : config.metricsPort);
    expect(own.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: port.name });
    expect(own.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: port.name });
  });

  it('may write where they write, and nowhere else', () => {
    const volumes = pod.spec.volumes.map((volume) => volume.name);
    for (const mount of own.volumeMounts) expect(volumes).toContain(mount.name);
    const paths = own.volumeMounts.map(({ mountPath }) => mountPath);
    expect(paths).toEqual(expect.arrayContaining([configOf(pod).dataDir, '/tmp']));
    if (own.args[0] === 'backup') expect(paths).toContain(own.args[own.args.indexOf('--to') + 1]);
    // Archived rows: workers write them, backups copy them.
    const shared = pod.spec.volumes.find((volume) => volume.name === 'data')?.persistentVolumeClaim?.claimName;
    expect(shared).toBe(own.args[0] === 'backup' || own.args[0] === 'worker' ? 'nof0-data' : undefined);
  });

  it('are given the time that they take to stop', () => {
    if (name === 'nof0-worker') expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(20);
  });
});

describe('what keeps it up', () => {
  const deployments = documents.filter(({ kind }) => kind === 'apps/v1 Deployment');
  const labelsOf = (name: string) => pods.find((each) => each.name === name)?.pod.metadata.labels ?? {};

  it('a disruption budget for every deployment, and no drained node takes all of one', () => {
    const budgets = documents.filter(({ kind }) => kind === 'policy/v1 PodDisruptionBudget');
    expect(budgets.map(({ name }) => name).sort()).toEqual(deployments.map(({ name }) => name).sort());
    for (const { name, data } of budgets) {
      const { selector } = data.spec as { selector: { matchLabels: Record<string, string> } };
      expect(labelsOf(name)).toMatchObject(selector.matchLabels);
      expect(deployments.find((each) => each.name === name)?.data.spec).toMatchObject({ replicas: 2 });
    }
  });

  it('a service that finds the API', () => {
    const { selector, ports } = z
      .object({ selector: z.record(z.string(), z.string()), ports: z.array(z.object({ targetPort: z.string() })) })
      .parse(documents.find(({ kind }) => kind === 'v1 Service')?.data.spec);
    expect(labelsOf('nof0-api')).toMatchObject(selector);
    expect(ports.map(({ targetPort }) => targetPort)).toEqual(['http']);
  });

  it('a scaler on how long jobs wait, of a metric that exists and a deployment that is there', () => {
    const scaler = documents.find(({ kind }) => kind.endsWith('ScaledObject'));
    const spec = z
      .object({
        scaleTargetRef: z.object({ name: z.string() }),
        minReplicaCount: z.int().min(1),
        maxReplicaCount: z.int(),
        triggers: z.tuple([
          z.object({ type: z.literal('prometheus'), metadata: z.object({ query: z.string(), threshold: z.string() }) }),
        ]),
      })
      .parse(scaler?.data.spec);
    expect(deployments.map(({ name }) => name)).toContain(spec.scaleTargetRef.name);
    expect(metricFaults(spec.triggers[0].metadata.query)).toEqual([]);
    expect(spec.triggers[0].metadata.query).toContain('nof0_queue_latency_seconds');
  });

  it('a monitor that finds every process by its label and ports', () => {
    const monitor = podMonitor.parse(documents.find(({ kind }) => kind.endsWith('PodMonitor'))?.data);
    const ports = monitor.spec.podMetricsEndpoints.map(({ port }) => port);
    for (const { name, pod } of pods) {
      expect(pod.metadata.labels, name).toMatchObject(monitor.spec.selector.matchLabels);
      for (const { name: port } of pod.spec.containers[0].ports) expect(ports).toContain(port);
    }
  });
});

describe('the example', () => {
  const example = kustomizations.find(({ folder }) => folder === 'example');

  it('has an arena without a fault, mounted into every kind of pod', () => {
    loadConfig({ env: {}, cwd: tmpdir(), arenaFile: path.join(ROOT, 'example/arena.yaml') });
    const mounting = example?.patches
      .filter(({ patch }) => patch.includes('mountPath: /arena'))
      .map(({ target }) => target.kind);
    expect(mounting).toEqual(['Deployment', 'CronJob']);
  });

  const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
  it.skipIf(!hasKubectl)('is what kubectl can render (skipped without kubectl)', () => {
    const rendered = spawnSync('kubectl', ['kustomize', path.join(ROOT, 'example')], { encoding: 'utf8' });
    expect(rendered.stderr).toBe('');
    const kinds = parseAllDocuments(rendered.stdout).map((each) => (each.toJS() as { kind: string }).kind);
    expect(kinds.filter((kind) => kind === 'Deployment')).toHaveLength(3);
    expect(rendered.stdout.match(/mountPath: \/arena/g)).toHaveLength(4);
    expect(kinds).toContain('ScaledObject');
  });
});
