/**
 * One meta-gradient end to end (all inner steps again, outer gradient, second order) on every
 * device, beside PyTorch on the same numbers; and its first-order part beside tfjs's autodiff. Each
 * peer's results are held against ours before its time counts.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { MetaObjective } from "../../src/algos/meta_objective.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { relativeError } from "../../src/golden/comparison.ts";
import { timed, type Took } from "../clock.ts";
import { openWebGpu, type Subject } from "../devices.ts";
import { MetaCase, metaCases } from "../meta_case.ts";
import { openWasmBackend, openWebGpuBackend, type TfjsBackend } from "../peers/tfjs.ts";
import { TfjsMeta } from "../peers/tfjs_meta.ts";
import { type Allocator, findTorch, TorchPeer } from "../peers/torch.ts";
import {
  type Choice,
  type Effort,
  ratioOf,
  type Report,
  reportRatios,
  takeTurns,
} from "../results.ts";

const PART = "meta-gradient";

const TUNED = "PyTorch, tuned malloc";
const DEFAULT = "PyTorch";
const TUNED_ALONE = `${TUNED}, 1 thread`;

/** Two float32 programs that sum in another order, through K gradient steps. */
const TOLERANCE = 2e-3;

/** Tasks of one graph with which PyTorch is fastest here; as it comes: all. */
const CHUNKS: Readonly<Record<string, number>> = { "ant ProMP": 10 };

/** By how much numbers are off, where that is more than rounding. */
function wrongBy(actual: ArrayLike<number>, expected: ArrayLike<number>): number | null {
  const error = relativeError(Array.from(actual), Array.from(expected));
  return error < TOLERANCE ? null : error;
}

function assertClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const error = wrongBy(actual, expected);
  if (error !== null) throw new Error(`${what} is off by ${error}; its time means nothing`);
}

async function readFloats(path: string): Promise<Float32Array> {
  return new Float32Array((await Deno.readFile(path)).buffer);
}

/** One program of PyTorch that takes part. */
interface Torch {
  readonly peer: TorchPeer;
  readonly subject: string;
}

/** PyTorch with both allocators, and with one thread; gradients checked; stopped by the caller. */
async function startTorch(
  metaCase: MetaCase,
  objective: MetaObjective,
  folder: string,
): Promise<Torch[]> {
  await metaCase.write(folder);
  await objective.gradient(metaCase.coefficients);
  const expected = await objective.gradients();
  const start = async (subject: string, allocator: Allocator, threads?: number): Promise<Torch> => {
    const peer = await TorchPeer.start("torch_promp.py", allocator, threads);
    const chunk = allocator === "tuned" ? CHUNKS[metaCase.name] ?? 40 : 40;
    await peer.ask({ do: "load", folder, chunk });
    await peer.ask({ do: "gradient" });
    await peer.ask({ do: "write", folder });
    for (const name of ["policy", "encoder"] as const) {
      if (expected[name] === null) continue;
      const gradient = await readFloats(`${folder}/${name}_gradient.f32`);
      assertClose(`PyTorch's gradient of the ${name}, ${metaCase.name},`, gradient, expected[name]);
    }
    return { peer, subject };
  };
  return [
    await start(TUNED, "tuned"),
    await start(DEFAULT, "default"),
    await start(TUNED_ALONE, "tuned", 1),
  ];
}

async function secondOrder(
  metaCase: MetaCase,
  devices: readonly Subject[],
  alone: Subject,
  torch: boolean,
  report: Report,
  effort: Effort,
): Promise<void> {
  const part = torch ? [...devices, alone] : devices;
  const objectives = part.map(({ device }) => metaCase.objective(device));
  const contenders = part.map(({ subject }, i): [string, () => Promise<Took>] => {
    return [subject, timed(() => objectives[i].gradient(metaCase.coefficients))];
  });
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const peers = torch ? await startTorch(metaCase, objectives[0], folder) : [];
  for (const { peer, subject } of peers) {
    contenders.push([subject, () => peer.time({ do: "gradient" })]);
  }
  const turns = await takeTurns(Object.fromEntries(contenders), effort);
  const name = `${metaCase.name}, second order`;
  const wall = (subject: string) => turns[subject].map(({ ms }) => ms);
  for (const [subject] of contenders) report.figure(PART, name, subject, "ms", wall(subject));
  const [{ subject: ours }] = devices;
  for (const [theirs, more] of torch ? [[TUNED, { goal: 1 }], [DEFAULT, {}]] as const : []) {
    const ratio = ratioOf(wall(theirs), wall(ours));
    report.ratio(PART, name, `${theirs} / ${ours}`, ratio, { ...more, unsteady: true });
  }
  if (torch) {
    const [theirs, own] = [TUNED_ALONE, alone.subject]
      .map((subject) => turns[subject].map(({ processorMs }) => processorMs));
    const label = `${TUNED} / ${ours}, processor time, 1 thread`;
    report.ratio(PART, name, label, ratioOf(theirs, own));
  }
  for (const { peer } of peers) await peer.stop();
  for (const objective of objectives) objective.close();
  await Deno.remove(folder, { recursive: true });
}

/** First-order results: adapted parameters of all tasks and the outer surrogates. */
interface FirstOrder {
  readonly adapted: ArrayLike<number>;
  readonly surrogates: ArrayLike<number>;
}

async function firstOrderOf(metaCase: MetaCase, objective: MetaObjective): Promise<FirstOrder> {
  const { outerSurrogates } = await objective.evaluate(metaCase.coefficients);
  const adapted = await objective.adaptedParams(metaCase.spec.innerSteps);
  return { adapted, surrogates: outerSurrogates };
}

/**
 * Both sides are held against the cpu's numbers: ours must agree; a peer that does not is said to,
 * and not timed (tfjs's webgpu backend is wrong by 3 % on llvmpipe at the ant's full size).
 */
async function firstOrder(
  metaCase: MetaCase,
  { device, subject, onCores }: Subject,
  cpu: Subject,
  backend: TfjsBackend,
  report: Report,
  effort: Effort,
): Promise<void> {
  await backend.use();
  const name = `${metaCase.name}, first order`;
  const theirs = `tfjs, ${backend.name}`;
  const objective = metaCase.objective(device);
  const ours = await firstOrderOf(metaCase, objective);
  if (device !== cpu.device) {
    const other = metaCase.objective(cpu.device);
    const expected = await firstOrderOf(metaCase, other);
    other.close();
    assertClose(`${name}: ${subject}: adapted parameters`, ours.adapted, expected.adapted);
    assertClose(`${name}: ${subject}: outer surrogates`, ours.surrogates, expected.surrogates);
  }
  const peer = new TfjsMeta(metaCase);
  const result = peer.run();
  const wrong = wrongBy(await result.adapted.data(), ours.adapted) ??
    wrongBy(await result.surrogates.data(), ours.surrogates);
  tf.dispose([result.adapted, result.surrogates]);
  const run = timed(() => objective.evaluate(metaCase.coefficients));
  if (wrong !== null) {
    const alone = await takeTurns({ ours: run }, effort);
    report.figure(PART, name, subject, "ms", alone.ours.map(({ ms }) => ms));
    const why = `its numbers are off by ${wrong.toPrecision(2)}, so its time means nothing`;
    report.missing(PART, `${name}: ${theirs}`, why);
    peer.close();
    objective.close();
    return;
  }
  const turns = await takeTurns({
    ours: run,
    theirs: timed(async () => {
      const { adapted, surrogates } = peer.run();
      await surrogates.data();
      tf.dispose([adapted, surrogates]);
    }),
  }, effort);
  const isWebGpu = backend.name === "webgpu";
  report.figure(PART, name, subject, "ms", turns.ours.map(({ ms }) => ms));
  report.figure(PART, name, theirs, "ms", turns.theirs.map(({ ms }) => ms));
  reportRatios(report, PART, name, { theirs, ours: subject, onCores, alike: isWebGpu }, turns, {
    ...isWebGpu ? { goal: 10 } : {},
  });
  peer.close();
  objective.close();
}

export async function benchMetaGradient(
  report: Report,
  effort: Effort,
  choice: Choice,
): Promise<void> {
  const torch = await findTorch(report, PART, choice) !== null;
  const cpu = { device: await CpuDevice.create(), subject: "cpu", onCores: true };
  const alone = {
    ...{ device: await CpuDevice.create({ threads: 1 }), subject: "cpu, 1 thread", onCores: true },
  };
  const webgpu = await openWebGpu(report, PART);
  const devices: Subject[] = webgpu === null ? [cpu] : [cpu, webgpu];
  for (const { device } of devices) report.print(`  ${device.description}`);
  const backends: [Subject, TfjsBackend][] = [];
  if (choice.peers.has("tfjs-wasm")) backends.push([cpu, await openWasmBackend()]);
  if (webgpu !== null && choice.peers.has("tfjs-webgpu")) {
    backends.push([webgpu, await openWebGpuBackend()]);
  }
  for (const [shape, algorithm] of metaCases(effort.quick)) {
    const metaCase = new MetaCase(shape, algorithm);
    const { name } = metaCase;
    if (choice.wants(`${name}, second order`)) {
      await secondOrder(metaCase, devices, alone, torch, report, effort);
    }
    if (!choice.wants(`${name}, first order`)) continue;
    for (const [ours, backend] of backends) {
      await firstOrder(metaCase, ours, cpu, backend, report, effort);
    }
  }
  for (const [, backend] of backends) await backend.close();
  for (const { device } of [...devices, alone]) await device.close();
}
