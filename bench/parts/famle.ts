/**
 * FAMLE's dynamics model at the published sizes: a control step of the planner, an iteration of
 * meta-training, an adaptation, the errors of all situations, beside plain operations of tfjs and
 * PyTorch on the same numbers. Each peer's first results are held against ours.
 */
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import type { Device } from "../../src/compute/device.ts";
import { relativeError } from "../../src/golden/comparison.ts";
import { timed, type Took } from "../clock.ts";
import { openWebGpu, type Subject } from "../devices.ts";
import {
  ANT,
  controlStep,
  flopsPerRow,
  type PlanData,
  planData,
  REACHER,
  SINE,
  situationErrors,
  type TrainData,
  trainData,
  training,
  type Work,
  writeCase,
} from "../dynamics_case.ts";
import { openWasmBackend, openWebGpuBackend, type TfjsBackend } from "../peers/tfjs.ts";
import { tfjsControlStep, tfjsTraining } from "../peers/tfjs_dynamics.ts";
import { type Allocator, findTorch, TorchPeer } from "../peers/torch.ts";
import {
  type Choice,
  type Effort,
  type Report,
  reportRatios,
  spreadOf,
  takeTurns,
} from "../results.ts";

const PART = "famle";

/** Float32 sums in another order, through ten steps of a model or some hundred updates. */
const TOLERANCE = 1e-3;

/** Milliseconds of a measurement: some of the work takes one, and peers leave few turns. */
const LEAST_MS = 50;

/** Milliseconds within which a control step of 10,000 x 10 is to be done on the cpu. */
const CONTROL_STEP_MS = 25;

interface Case {
  readonly name: string;
  readonly data: PlanData | TrainData;
  readonly flops: number;
  readonly onDevice: (device: Device) => Work;
  /** Without peers where there is no program for them. */
  readonly onTfjs?: () => Work;
}

function planCase(name: string, data: PlanData): Case {
  return {
    name,
    data,
    flops: data.count * data.horizon * flopsPerRow(data.spec),
    onDevice: (device) => controlStep(device, data),
    onTfjs: () => tfjsControlStep(data),
  };
}

function trainCase(name: string, data: TrainData): Case {
  return {
    name,
    data,
    flops: 3 * data.updates * data.batchSize * flopsPerRow(data.spec),
    onDevice: (device) => training(device, data),
    onTfjs: () => tfjsTraining(data),
  };
}

function cases(quick: boolean): Case[] {
  const errors = trainData("adapt", REACHER, [500, 32, 1]);
  return [
    planCase("reacher: control step, 10,000 x 10", planData(REACHER, 10_000, 10)),
    ...(quick ? [] : [planCase("ant: control step, 2,000 x 20", planData(ANT, 2000, 20))]),
    trainCase(
      "reacher: meta-iteration, 150 updates of 32",
      trainData("reptile", REACHER, [1000, 32, 150]),
    ),
    trainCase(
      "reacher: adaptation, 300 Adam updates of 32",
      trainData("adapt", REACHER, [500, 32, 300]),
    ),
    trainCase("sine: meta-iteration, 100 updates of 95", trainData("reptile", SINE, [95, 95, 100])),
    ...(quick
      ? []
      : [trainCase("sine: adaptation, 1000 updates of 3", trainData("adapt", SINE, [3, 3, 1000]))]),
    {
      name: "reacher: errors of 11 situations, 500 rows",
      data: errors,
      flops: errors.rows * REACHER.situations * flopsPerRow(REACHER),
      onDevice: (device) => situationErrors(device, errors),
    },
  ];
}

/** Who takes part in a measurement, and what it gives the first time. */
interface Contender {
  readonly run: () => Promise<Took>;
  readonly first: ArrayLike<number>;
}

async function torchContender(peer: TorchPeer, folder: string, data: Case["data"]) {
  await writeCase(folder, data);
  await peer.ask({ do: "load", folder });
  await peer.ask({ do: "run" });
  await peer.ask({ do: "write", folder });
  const first = new Float32Array((await Deno.readFile(`${folder}/result.f32`)).buffer);
  return { run: () => peer.time({ do: "run" }), first };
}

/** PyTorch in its three ways. */
interface Torch {
  readonly peer: TorchPeer;
  readonly subject: string;
  /** Ours that it is held against. */
  readonly against: Subject;
}

interface Peers {
  readonly torch: readonly Torch[];
  /** With ours that each is held against. */
  readonly tfjs: readonly (readonly [TfjsBackend, Subject])[];
}

async function benchCase(
  { name, data, flops, onDevice, onTfjs }: Case,
  devices: readonly Subject[],
  { torch, tfjs }: Peers,
  report: Report,
  effort: Effort,
): Promise<void> {
  const contenders: Record<string, Contender> = {};
  const add = async (subject: string, work: Work, before?: () => Promise<void>) => {
    await before?.();
    const first = await work();
    const measure = timed(work, LEAST_MS);
    const run = before === undefined ? measure : async () => {
      await before();
      return await measure();
    };
    contenders[subject] = { run, first };
  };
  for (const { device, subject } of devices) await add(subject, onDevice(device));
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  /** Peers, and ours that they are held against. */
  const pairs: [string, Subject][] = [];
  if (onTfjs !== undefined) {
    for (const { peer, subject, against } of torch) {
      contenders[subject] = await torchContender(peer, folder, data);
      pairs.push([subject, against]);
    }
    for (const [backend, against] of tfjs) {
      const subject = `tfjs, ${backend.name}`;
      await backend.use();
      await add(subject, onTfjs(), () => backend.use());
      pairs.push([subject, against]);
    }
  }
  const [ours] = devices;
  for (const [subject, { first }] of Object.entries(contenders)) {
    const expected = Array.from(contenders[ours.subject].first);
    const error = relativeError(Array.from(first), expected);
    if (!(error < TOLERANCE)) throw new Error(`${name}: ${subject} is off by ${error}`);
  }
  const runs = Object.entries(contenders).map(([subject, { run }]) => [subject, run] as const);
  const turns = await takeTurns(Object.fromEntries(runs), effort);
  const wall = (subject: string) => turns[subject].map(({ ms }) => ms);
  for (const [subject] of runs) report.figure(PART, name, subject, "ms", wall(subject));
  const speed = wall(ours.subject).map((ms) => flops / ms / 1e6);
  report.figure(PART, name, `${ours.subject}, speed`, "GFLOP/s", speed);
  // the first of ours has all threads, the others one, or those of the driver
  for (const [theirs, { subject, onCores }] of pairs) {
    const between = { theirs, ours: subject, onCores, alike: subject !== ours.subject };
    reportRatios(report, PART, name, between, {
      ...{ theirs: turns[theirs], ours: turns[subject] },
    }, { goal: 1 });
  }
  if (name.endsWith("10,000 x 10")) {
    const within = spreadOf(wall(ours.subject).map((ms) => CONTROL_STEP_MS / ms));
    report.goal(PART, name, `within ${CONTROL_STEP_MS} ms on the cpu`, within, 1);
  }
  await Deno.remove(folder, { recursive: true });
}

export async function benchFamle(
  report: Report,
  effort: Effort,
  choice: Choice,
): Promise<void> {
  const version = await findTorch(report, PART, choice);
  const cpu = { device: await CpuDevice.create(), subject: "cpu", onCores: true };
  const alone = {
    ...{ device: await CpuDevice.create({ threads: 1 }), subject: "cpu, 1 thread", onCores: true },
  };
  const devices: Subject[] = [cpu, alone];
  const webgpu = await openWebGpu(report, PART);
  if (webgpu !== null) devices.push(webgpu);
  for (const { device } of devices) report.print(`  ${device.description}`);
  const tfjs: [TfjsBackend, Subject][] = [];
  if (choice.peers.has("tfjs-wasm")) tfjs.push([await openWasmBackend(), cpu]);
  if (webgpu !== null && choice.peers.has("tfjs-webgpu")) {
    tfjs.push([await openWebGpuBackend(), webgpu]);
  }
  const torch: Torch[] = [];
  if (version !== null) {
    const start = (allocator: Allocator, threads?: number) =>
      TorchPeer.start("torch_famle.py", allocator, threads);
    torch.push(
      { peer: await start("tuned"), subject: "PyTorch, tuned malloc", against: cpu },
      { peer: await start("default"), subject: "PyTorch", against: cpu },
      { peer: await start("tuned", 1), subject: "PyTorch, tuned malloc, 1 thread", against: alone },
    );
  }
  for (const one of cases(effort.quick)) {
    if (choice.wants(one.name)) await benchCase(one, devices, { torch, tfjs }, report, effort);
  }
  for (const { peer } of torch) await peer.stop();
  for (const [backend] of tfjs) await backend.close();
  for (const { device } of devices) await device.close();
}
