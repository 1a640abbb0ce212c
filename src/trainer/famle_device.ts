/**
 * Which device FAMLE runs on. `auto` measures what the command spends its time in, at the sizes of
 * the model.
 */
import { DynamicsModel, MinibatchTraining, SequenceEvaluator } from "../algos/dynamics_model.ts";
import type { Device } from "../compute/device.ts";
import type { DynamicsSpec } from "../compute/layout.ts";
import { median } from "../util/statistics.ts";
import { chooseDeviceFor } from "./choose_device.ts";

/** What a user may ask for. */
export type DeviceChoice = "auto" | "webgpu" | "cpu";

/** What is measured. */
const UPDATES = 50;
const BATCH = 32;
const SEQUENCES = 10_000;
const HORIZON = 10;
const REPETITIONS = 3;

/** Median seconds of some runs, the first one (it compiles) left out. */
async function medianSeconds(run: () => Promise<unknown>): Promise<number> {
  const seconds: number[] = [];
  for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
    const start = performance.now();
    await run();
    seconds.push((performance.now() - start) / 1000);
  }
  return median(seconds.slice(1));
}

/** A model of these sizes with zeros in it. */
function emptyModel(device: Device, spec: DynamicsSpec): DynamicsModel {
  const ones = (length: number) => new Float64Array(length).fill(1);
  return new DynamicsModel(device, spec, {
    meanIn: new Float64Array(spec.inputDim),
    stdIn: ones(spec.inputDim),
    meanOut: new Float64Array(spec.outputDim),
    stdOut: ones(spec.outputDim),
  });
}

async function measureTraining(device: Device, spec: DynamicsSpec): Promise<number> {
  const model = emptyModel(device, spec);
  const rows = model.upload(
    new Float64Array(BATCH * spec.inputDim),
    new Float64Array(BATCH * spec.outputDim),
  );
  const training = new MinibatchTraining(model, rows, 0, BATCH, UPDATES, { kind: "sgd", lr: 0 });
  try {
    return await medianSeconds(async () => {
      await device.submit([training.command]);
      await training.readLosses();
    });
  } finally {
    training.close();
    model.free(rows);
    model.close();
  }
}

async function measurePlanning(device: Device, spec: DynamicsSpec): Promise<number> {
  const model = emptyModel(device, spec);
  const evaluator = new SequenceEvaluator(model, { horizon: HORIZON, discount: 1 });
  const length = SEQUENCES * HORIZON * (spec.inputDim - spec.outputDim);
  const sequences = new Float32Array(length);
  try {
    return await medianSeconds(() => evaluator.evaluate(sequences, SEQUENCES));
  } finally {
    evaluator.close();
    model.close();
  }
}

/**
 * Opens the device that was asked for.
 *
 * @param use what the command spends its time in
 * @param notice receives one line that says what was taken and why
 * @throws RunError `no-adapter` where `webgpu` was asked for and there is none
 */
export async function openFamleDevice(
  choice: DeviceChoice,
  use: "training" | "planning",
  spec: DynamicsSpec,
  notice: (line: string) => void,
): Promise<Device> {
  const threads = navigator.hardwareConcurrency;
  const measure = use === "training"
    ? {
      what: `training on ${UPDATES} minibatches of ${BATCH} rows`,
      measure: (device: Device) => measureTraining(device, spec),
    }
    : {
      what: `planning with ${SEQUENCES} sequences of ${HORIZON} steps`,
      measure: (device: Device) => measurePlanning(device, spec),
    };
  return await chooseDeviceFor(choice, measure, threads, notice);
}
