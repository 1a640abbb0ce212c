/**
 * One meta-gradient end to end (all inner steps again, outer gradient, second order) on every
 * device, beside PyTorch on the same numbers; and its first-order part beside tfjs's autodiff. Each
 * peer's results are held against ours before its time counts.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { MetaObjective } from "../../src/algos/meta_objective.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import type { Device } from "../../src/compute/device.ts";
import { relativeError } from "../../src/golden/comparison.ts";
import { openWebGpu, webGpuSubject } from "../devices.ts";
import { MetaCase, metaCases } from "../meta_case.ts";
import { openWasmBackend, openWebGpuBackend, type TfjsBackend } from "../peers/tfjs.ts";
import { TfjsMeta } from "../peers/tfjs_meta.ts";
import { type Allocator, findTorch, TorchPeer } from "../peers/torch.ts";
import { type Effort, ratioOf, type Report, takeTurns, timed } from "../results.ts";

const PART = "meta-gradient";

/** Two float32 programs that sum in another order, through K gradient steps. */
const TOLERANCE = 2e-3;

/** Tasks of one graph with which PyTorch is fastest here; as it comes: all. */
const CHUNKS: Readonly<Record<string, number>> = { "ant ProMP": 10 };

interface Contender {
  readonly subject: string;
  readonly run: () => Promise<number>;
}

function assertClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const error = relativeError(Array.from(actual), Array.from(expected));
  if (!(error < TOLERANCE)) throw new Error(`${what} is off by ${error}; its time means nothing`);
}

async function readFloats(path: string): Promise<Float32Array> {
  return new Float32Array((await Deno.readFile(path)).buffer);
}

/** PyTorch with both allocators, their gradients checked; stopped by the caller. */
async function startTorch(
  metaCase: MetaCase,
  objective: MetaObjective,
  folder: string,
): Promise<{ peer: TorchPeer; subject: string }[]> {
  await metaCase.write(folder);
  await objective.gradient(metaCase.coefficients);
  const expected = await objective.gradients();
  const peers = [];
  for (const allocator of ["tuned", "default"] satisfies Allocator[]) {
    const peer = await TorchPeer.start("torch_promp.py", allocator);
    const chunk = allocator === "tuned" ? CHUNKS[metaCase.name] ?? 40 : 40;
    await peer.ask({ do: "load", folder, chunk });
    await peer.ask({ do: "gradient" });
    await peer.ask({ do: "write", folder });
    for (const name of ["policy", "encoder"] as const) {
      if (expected[name] === null) continue;
      const gradient = await readFloats(`${folder}/${name}_gradient.f32`);
      assertClose(`PyTorch's gradient of the ${name}, ${metaCase.name},`, gradient, expected[name]);
    }
    peers.push({ peer, subject: allocator === "tuned" ? "PyTorch, tuned malloc" : "PyTorch" });
  }
  return peers;
}

async function secondOrder(
  metaCase: MetaCase,
  devices: readonly { device: Device; subject: string }[],
  torch: boolean,
  report: Report,
  effort: Effort,
): Promise<void> {
  const contenders: Contender[] = [];
  const objectives = devices.map(({ device, subject }) => {
    const objective = metaCase.objective(device);
    const gradient = () => objective.gradient(metaCase.coefficients);
    contenders.push({ subject, run: timed(gradient) });
    return objective;
  });
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const peers = torch ? await startTorch(metaCase, objectives[0], folder) : [];
  for (const { peer, subject } of peers) {
    const run = async () => 1000 * (await peer.ask({ do: "gradient" })).seconds;
    contenders.push({ subject, run });
  }
  const turns = await takeTurns(
    Object.fromEntries(contenders.map(({ subject, run }) => [subject, run])),
    effort,
  );
  for (const { subject } of contenders) {
    report.figure(PART, `${metaCase.name}, second order`, subject, "ms", turns[subject]);
  }
  for (const { subject } of peers) {
    const goal = subject === "PyTorch" ? undefined : 1;
    const ours = devices[0].subject;
    const ratio = ratioOf(turns[subject], turns[ours]);
    report.ratio(PART, `${metaCase.name}: ${subject} / ${ours}`, ratio, goal);
  }
  for (const { peer } of peers) await peer.stop();
  for (const objective of objectives) objective.close();
  await Deno.remove(folder, { recursive: true });
}

async function firstOrder(
  metaCase: MetaCase,
  { device, subject }: { device: Device; subject: string },
  backend: TfjsBackend,
  report: Report,
  effort: Effort,
): Promise<void> {
  await backend.use();
  const objective = metaCase.objective(device);
  const { outerSurrogates } = await objective.evaluate(metaCase.coefficients);
  const adapted = await objective.adaptedParams(metaCase.spec.innerSteps);
  const peer = new TfjsMeta(metaCase);
  const result = peer.run();
  const name = `tfjs, ${backend.name}`;
  assertClose(`${name}: adapted parameters`, await result.adapted.data(), adapted);
  assertClose(`${name}: outer surrogates`, await result.surrogates.data(), outerSurrogates);
  tf.dispose([result.adapted, result.surrogates]);
  const turns = await takeTurns({
    ours: timed(() => objective.evaluate(metaCase.coefficients)),
    theirs: timed(async () => {
      const { adapted, surrogates } = peer.run();
      await surrogates.data();
      tf.dispose([adapted, surrogates]);
    }),
  }, effort);
  report.figure(PART, `${metaCase.name}, first order`, subject, "ms", turns.ours);
  report.figure(PART, `${metaCase.name}, first order`, name, "ms", turns.theirs);
  const goal = backend.name === "webgpu" ? 10 : undefined;
  const ratio = ratioOf(turns.theirs, turns.ours);
  report.ratio(PART, `${metaCase.name}, first order: ${name} / ${subject}`, ratio, goal);
  peer.close();
  objective.close();
}

export async function benchMetaGradient(report: Report, effort: Effort): Promise<void> {
  const torch = await findTorch();
  if (torch === null) report.missing(PART, "PyTorch", "no torch: python3 can't import it");
  else report.print(`  PyTorch ${torch}, as many threads as cores`);
  const cpu = { device: await CpuDevice.create(), subject: "cpu" };
  const gpu = await openWebGpu(report, PART);
  const webgpu = gpu === null ? null : { device: gpu, subject: webGpuSubject(gpu) };
  const devices = webgpu === null ? [cpu] : [cpu, webgpu];
  for (const { device } of devices) report.print(`  ${device.description}`);
  const backends: [{ device: Device; subject: string }, TfjsBackend][] = [];
  backends.push([cpu, await openWasmBackend()]);
  if (webgpu !== null) backends.push([webgpu, await openWebGpuBackend()]);
  for (const [shape, algorithm] of metaCases(effort.quick)) {
    const metaCase = new MetaCase(shape, algorithm);
    await secondOrder(metaCase, devices, torch !== null, report, effort);
    for (const [ours, backend] of backends) {
      await firstOrder(metaCase, ours, backend, report, effort);
    }
  }
  for (const [, backend] of backends) await backend.close();
  for (const { device } of devices) await device.close();
}
