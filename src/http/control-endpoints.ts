/** What people may do to a run over HTTP: the same stories as the command line's, one line of this table each. */

import { z } from 'zod';
import {
  type Control,
  findModels,
  findTargets,
  pauseQueues,
  redriveLetters,
  resumeQueues,
  type Switched,
} from '../engine/control.ts';
import { cancelJob } from '../engine/control-jobs.ts';
import { retireModel } from '../engine/control-models.ts';
import { closePosition, type Desk, flattenModels } from '../engine/control-positions.ts';
import { pauseModels, resumeModels, shadowModels, unshadowModels } from '../engine/control-traders.ts';
import { endSeason, freezeSeason, resetSeason, startSeason } from '../engine/season.ts';
import { contractOf } from '../jobs/registry.ts';

/** What a control works with. The desk is opened when a control trades. */
export type ControlRoom = { readonly control: Control; desk(): Promise<Desk> };

export type ControlEndpoint = {
  /** Under `/api/control`. */
  readonly path: string;
  readonly about: string;
  readonly body: z.ZodObject;
  readonly answer: z.ZodObject;
  act(room: ControlRoom, body: unknown): Promise<object>;
};

type Spec<B extends z.ZodObject, A extends z.ZodObject> = Omit<ControlEndpoint, 'body' | 'answer' | 'act'> & {
  readonly body: B;
  readonly answer: A;
  act(room: ControlRoom, body: z.output<B>): Promise<object>;
};

function control<B extends z.ZodObject, A extends z.ZodObject>(spec: Spec<B, A>): ControlEndpoint {
  return { ...spec, act: (room, body) => spec.act(room, body as z.output<B>) };
}

const word = z.string().min(1, 'a word').max(300, 'at most 300 characters');
const model = word.describe('A model, or `all`.');
/** Defaults of the command line: a cycle may wait a minute for its model; of a paused trader it is given up sooner. */
const waitMs = (fallback: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(300_000)
    .default(fallback)
    .describe('How long a cycle in flight may take to end, milliseconds.');

const switched = z.strictObject({
  switched: z.array(z.strictObject({ target: z.string(), changed: z.boolean(), state: z.string() })),
});
const closing = z.looseObject({
  model: z.string(),
  flat: z.boolean().describe('Whether nothing is left of what was to be closed.'),
  closed: z.array(z.looseObject({})),
  canceled: z.number(),
  left: z.strictObject({ positions: z.array(z.looseObject({})), orders: z.array(z.looseObject({})) }),
});
const flattened = z.strictObject({
  flat: z.boolean().describe('Whether every one of them is.'),
  flattened: z.array(
    z.looseObject({
      model: z.string(),
      closing: closing.nullable(),
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});

async function flatten({ control, desk }: ControlRoom, which: string, wait: number) {
  const models = await findModels(control, which);
  const each = await flattenModels(await desk(), models, wait);
  return { flat: each.every((one) => one.closing?.flat === true), flattened: each };
}

const season = z.strictObject({
  season: z.looseObject({ name: z.string(), state: z.string() }),
  changed: z.boolean().describe('Whether this call has done it; false: it had been done.'),
});

const said = (all: readonly Switched[]) => ({ switched: all });
const target = word.describe('A model, `all` (every model), a queue or `queues` (every queue).');

export const CONTROL_ENDPOINTS: readonly ControlEndpoint[] = [
  control({
    path: '/pause',
    about: 'let a model decide nothing, or workers leave the jobs of a queue',
    body: z.strictObject({ target }),
    answer: switched,
    async act({ control }, body) {
      const { queues, models } = await findTargets(control, body.target);
      return said([...(await pauseQueues(control, queues)), ...(await pauseModels(control, models))]);
    },
  }),
  control({
    path: '/resume',
    about: 'let a paused model or queue go on; a halted model only by its own name',
    body: z.strictObject({ target }),
    answer: switched,
    async act({ control }, body) {
      const { queues, models } = await findTargets(control, body.target);
      const named = body.target !== 'all';
      return said([...(await resumeQueues(control, queues)), ...(await resumeModels(control, models, named))]);
    },
  }),
  control({
    path: '/shadow',
    about: 'let a model decide and send no orders; `off` lets it trade again',
    body: z.strictObject({ model, off: z.boolean().default(false) }),
    answer: switched,
    async act({ control }, body) {
      const models = await findModels(control, body.model);
      return said(await (body.off ? unshadowModels : shadowModels)(control, models));
    },
  }),
  control({
    path: '/close',
    about: "close a model's position in one symbol with its orders; the model goes on",
    body: z.strictObject({ model: word, symbol: word, waitMs: waitMs(75_000) }),
    answer: closing,
    async act({ control, desk }, body) {
      const [id = body.model] = await findModels(control, `model:${body.model.replace(/^model:/, '')}`);
      return closePosition(await desk(), id, body.symbol, body.waitMs);
    },
  }),
  control({
    path: '/flatten',
    about: 'pause a model, cancel its orders, close its positions and look whether it is flat',
    body: z.strictObject({ model, waitMs: waitMs(20_000) }),
    answer: flattened,
    act: (room, body) => flatten(room, body.model, body.waitMs),
  }),
  control({
    path: '/halt',
    about: 'the emergency stop: the same for every model',
    body: z.strictObject({ waitMs: waitMs(20_000) }),
    answer: flattened,
    act: (room, body) => flatten(room, 'all', body.waitMs),
  }),
  control({
    path: '/redrive',
    about: 'run failed jobs again: some by their ids, or `all` that match',
    body: z
      .strictObject({
        ids: z.array(z.number().int().min(1)).min(1).max(1000).optional(),
        all: z.literal(true).optional(),
        job: word.optional(),
        model: word.optional(),
        error: word.optional(),
        sinceMs: z.number().int().min(0).optional().describe('That failed at or after it, Unix milliseconds.'),
      })
      .refine((body) => (body.ids === undefined) !== (body.all === undefined), 'either ids or all')
      .refine(
        ({ all, job, model, error, sinceMs }) =>
          all === true || [job, model, error, sinceMs].every((filter) => filter === undefined),
        'job, model, error and sinceMs with all alone',
      ),
    answer: z.strictObject({
      ids: z.array(z.number()).describe('Those that run again.'),
      already: z.array(z.number()),
      unknown: z.array(z.number()),
    }),
    act: ({ control }, { ids, job, model, error, sinceMs }) =>
      redriveLetters(
        control,
        ids !== undefined
          ? { ids: [...new Set(ids)] }
          : { job: job === undefined ? undefined : contractOf(job).name, modelId: model, error, sinceMs },
      ),
  }),
  control({
    path: '/cancel',
    about: 'cancel a job that waits or runs; it is kept as a failed job',
    body: z.strictObject({ job: word.describe('Its id or identity, such as `snapshot_carry`.') }),
    answer: z.strictObject({ job: z.string(), queue: z.string(), state: z.string(), end: z.string() }),
    async act({ control }, body) {
      const { job, end } = await cancelJob(control, body.job);
      return { job: job.identity, queue: job.queue, state: job.state, end };
    },
  }),
  control({
    path: '/retire',
    about: 'let a model leave for good; `close` closes its positions first, without it the model must be flat',
    body: z.strictObject({ model: word, close: z.boolean().default(false), waitMs: waitMs(75_000) }),
    answer: z.looseObject({ model: z.string(), retired: z.boolean(), changed: z.boolean() }),
    async act({ control, desk }, body) {
      const [id = body.model] = await findModels(control, `model:${body.model.replace(/^model:/, '')}`);
      return retireModel(await desk(), id, body.close, body.waitMs);
    },
  }),
  control({
    path: '/season/start',
    about: 'start a season from the equity of this moment; `resume` lets paused models go on',
    body: z.strictObject({ name: word, resume: z.boolean().default(false) }),
    answer: season,
    act: async ({ desk }, { name, resume }) => startSeason(await desk(), name, resume),
  }),
  control({
    path: '/season/end',
    about: 'end the running season: its models are paused; `flatten` closes their positions first',
    body: z.strictObject({ flatten: z.boolean().default(false), waitMs: waitMs(20_000) }),
    answer: season,
    act: async ({ desk }, { flatten, waitMs }) => endSeason(await desk(), flatten, waitMs),
  }),
  control({
    path: '/season/freeze',
    about: 'store the final ranking of the season that has ended, for ever',
    body: z.strictObject({}),
    answer: season,
    act: async ({ desk }) => freezeSeason(await desk()),
  }),
  control({
    path: '/season/reset',
    about: 'bring all accounts back to what they began with, after the freeze',
    body: z.strictObject({}),
    answer: season,
    act: async ({ desk }) => resetSeason(await desk()),
  }),
];
