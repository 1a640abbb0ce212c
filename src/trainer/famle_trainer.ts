/**
 * Meta-training of a dynamics model: Reptile over situations in turn, in blocks that are logged,
 * with checkpoints and exact resume. What is computed: `algos/famle.ts`.
 */
import { DynamicsModel } from "../algos/dynamics_model.ts";
import { ReptileTraining } from "../algos/famle.ts";
import type { Device } from "../compute/device.ts";
import type { DynamicsSpec } from "../compute/layout.ts";
import type { FamleConfig } from "../config/famle.ts";
import { initDynamics } from "../nn/init.ts";
import type { Checkpoint } from "../run/checkpoint.ts";
import type { RunWriter } from "../run/run_dir.ts";
import { RunError, UserError } from "../util/errors.ts";
import { type Normalizer, normalizerOf } from "../util/normalizer.ts";
import { KeyedRandom } from "../util/prng.ts";
import {
  dynamicsSpecOf,
  embeddingOf,
  type FamleModel,
  modelFromCheckpoint,
  modelToCheckpoint,
  type TrainedSituation,
} from "./famle_model.ts";
import { metaOrder } from "./famle_order.ts";

/** Meta-iterations of a block: one row of progress.csv, and the unit of interrupts. */
export const BLOCK = 100;

/** Rows of one situation. */
export interface SituationData extends TrainedSituation {
  /** [N, X] state and action */
  readonly inputs: Float64Array;
  /** [N, Y] change of the state */
  readonly targets: Float64Array;
}

/** What to train on. */
export interface FamleData {
  /** Environment that the rows are from. */
  readonly env: { readonly name: string; readonly version: number | string };
  /** X */
  readonly inputDim: number;
  /** Y */
  readonly outputDim: number;
  /** At least two. */
  readonly situations: readonly SituationData[];
}

/** What a training is asked to do. */
export interface FamleTrainRequest {
  /** Data of all situations. */
  readonly data: FamleData;
  /** All settings. */
  readonly config: FamleConfig;
  /** Seed of everything random. */
  readonly seed: number;
  /** Where results go; `null`: nowhere. */
  readonly writer: RunWriter | null;
  /** Checkpoint to continue from. */
  readonly resume: Checkpoint | null;
  /** Ends the training after the present block. */
  readonly stop: AbortSignal;
  /** Called after every block. */
  readonly onBlock: (report: BlockReport) => void;
}

/** One block of meta-iterations. */
export interface BlockReport {
  /** Meta-iterations done in all. */
  readonly metaIterations: number;
  /** [G] mean squared error per row of every situation, of its last pass; `null`: not visited. */
  readonly losses: readonly (number | null)[];
  /** Mean over the situations that were visited. */
  readonly meanLoss: number;
  /** Wall time of the block. */
  readonly seconds: number;
}

/** What came out. */
export interface FamleTrainResult {
  /** The model, also where it was stopped. */
  readonly model: FamleModel;
  /** Whether all meta-iterations are done. */
  readonly finished: boolean;
  /** [G] mean squared error per row of every situation, of its last pass; `null`: not visited. */
  readonly losses: readonly (number | null)[];
  /** Wall time. */
  readonly seconds: number;
  /** Last checkpoint; `null` where there is no writer or nothing was done. */
  readonly checkpoint: string | null;
}

/** Which checkpoints stay: the newest ones. */
const RETENTION = { maxCheckpoints: 5, keepEveryHours: 1e9, keepEveryIterations: null };

/** Columns of progress.csv. */
function columnsOf(situations: number): string[] {
  const losses = Array.from({ length: situations }, (_, g) => `Loss_${g}`);
  return ["Itr", "MetaIterations", "StepSize", "MeanLoss", ...losses, "Time", "ItrTime"];
}

/**
 * Throws where data can't be trained on with these settings.
 * @throws UserError `data-situations`, `config-value`
 */
export function checkData(data: FamleData, config: FamleConfig): void {
  if (data.situations.length < 2) {
    throw new UserError(
      "data-situations",
      `Cannot meta-train on ${data.situations.length} situation: at least 2 are needed; collect ` +
        "more with `metarl famle collect`",
    );
  }
  dynamicsSpecOf(config, data.inputDim, data.outputDim, data.situations.length);
  const { innerSampleSize: sample, metaBatchSize: batch } = config;
  for (const { name, inputs } of data.situations) {
    const rows = inputs.length / data.inputDim;
    const least = Math.min(batch, rows);
    if (sample !== null && sample < least) {
      throw new UserError(
        "config-value",
        `"inner_sample_size" (${sample}) must be at least the minibatch (${least}) for ` +
          `situation "${name}" with ${rows} rows`,
      );
    }
  }
}

/** Throws where a checkpoint is not of a training on these data with these settings. */
function checkResume(
  from: FamleModel,
  spec: DynamicsSpec,
  normalizer: Normalizer,
  data: FamleData,
): void {
  if (JSON.stringify(from.spec) !== JSON.stringify(spec)) {
    throw new UserError(
      "resume-mismatch",
      `Cannot continue the training: its model is ${
        JSON.stringify(from.spec)
      }, data and settings ` +
        `ask for ${JSON.stringify(spec)}`,
    );
  }
  // other rows have another mean or another spread
  const numbers = (n: Normalizer) => [...n.meanIn, ...n.stdIn, ...n.meanOut, ...n.stdOut].join();
  const rows = (situations: readonly TrainedSituation[]) =>
    situations.map(({ row }) => [...row]).join();
  if (
    numbers(from.normalizer) !== numbers(normalizer) ||
    rows(from.situations) !== rows(data.situations)
  ) {
    throw new UserError(
      "resume-mismatch",
      "Cannot continue the training: the data are not those that it was started with; put them " +
        "back, or start a new run",
    );
  }
}

/**
 * Meta-trains a model.
 *
 * @throws UserError `data-situations`, `config-value`, `resume-mismatch`
 * @throws RunError `not-finite` where the model diverges; the checkpoint before it stays
 */
export async function trainFamle(
  device: Device,
  request: FamleTrainRequest,
): Promise<FamleTrainResult> {
  const { data, config, seed, writer, resume, stop } = request;
  checkData(data, config);
  const { situations, inputDim, outputDim } = data;
  const spec = dynamicsSpecOf(config, inputDim, outputDim, situations.length);
  const random = new KeyedRandom(seed);
  const normalizer = normalizerOf(situations, inputDim, outputDim);
  const start = performance.now();
  const from = resume === null ? null : modelFromCheckpoint(resume, "the checkpoint");
  if (from !== null) checkResume(from, spec, normalizer, data);
  const model = new DynamicsModel(device, spec, normalizer);
  model.setParams(from?.params ?? initDynamics(random, spec));
  const rows = situations.map(({ inputs, targets }) => model.upload(inputs, targets));
  const reptile = new ReptileTraining(
    model,
    rows,
    { ...config, batchSize: config.metaBatchSize, sampleSize: config.innerSampleSize },
    (situation) => embeddingOf(spec, situation),
  );
  let done = from?.metaIterations ?? 0;
  let saved = done;
  let checkpoint: string | null = null;
  const lastLosses: (number | null)[] = situations.map(() => null);
  const result = async (): Promise<FamleModel> => ({
    env: data.env,
    spec,
    normalizer,
    params: Float32Array.from(await model.readParams()),
    situations: situations.map(({ name, row }) => ({ name, row })),
    metaIterations: done,
    seed,
  });
  const save = async () => {
    if (writer === null || done === saved) return;
    checkpoint = await writer.saveCheckpoint(
      modelToCheckpoint(await result(), config),
      RETENTION,
    );
    saved = done;
  };
  try {
    writer?.startProgress(columnsOf(situations.length), Math.ceil(done / BLOCK));
    while (done < config.metaIterations && !stop.aborted) {
      const blockStart = performance.now();
      const block = Math.floor(done / BLOCK);
      const end = Math.min((block + 1) * BLOCK, config.metaIterations);
      const visited = new Set<number>();
      const stepSize = reptile.stepSize(done);
      for (; done < end; done++) {
        const situation = reptile.situationOf(done);
        visited.add(situation);
        const { count } = rows[situation];
        const taken = reptile.rowsPerPass(situation);
        const order = metaOrder(random, done, situation, count, taken, config.innerPasses);
        await reptile.iterate(done, order);
      }
      const losses: (number | null)[] = [];
      for (let g = 0; g < situations.length; g++) {
        losses.push(visited.has(g) ? await reptile.lastLoss(g) : null);
      }
      losses.forEach((loss, g) => lastLosses[g] = loss ?? lastLosses[g]);
      const known = losses.filter((loss) => loss !== null);
      const meanLoss = known.reduce((sum, loss) => sum + loss, 0) / known.length;
      if (!Number.isFinite(meanLoss)) {
        const g = losses.findIndex((loss) => loss !== null && !Number.isFinite(loss));
        throw new RunError(
          "not-finite",
          `Meta-training diverged before meta-iteration ${done}: the loss of situation ` +
            `"${situations[g].name}" is ${losses[g]}; lower inner_step`,
        );
      }
      const seconds = (performance.now() - blockStart) / 1000;
      writer?.appendRow({
        Itr: block,
        MetaIterations: done,
        StepSize: stepSize,
        MeanLoss: meanLoss,
        ...Object.fromEntries(losses.map((loss, g) => [`Loss_${g}`, loss])),
        Time: (performance.now() - start) / 1000,
        ItrTime: seconds,
      });
      if (done - saved >= config.saveSteps) await save();
      request.onBlock({ metaIterations: done, losses, meanLoss, seconds });
      // lets an interrupt through: small commands run without giving way
      await new Promise((resolve) => setTimeout(resolve));
    }
    await save();
    return {
      model: await result(),
      finished: done >= config.metaIterations,
      losses: lastLosses,
      seconds: (performance.now() - start) / 1000,
      checkpoint,
    };
  } finally {
    reptile.close();
    for (const set of rows) model.free(set);
    model.close();
  }
}
