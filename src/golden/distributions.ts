/**
 * Golden check of the diagonal Gaussian, through the kernels that the algorithms use. A linear
 * policy that reads one-hot observations has the wanted means as its weights, so the gradient
 * with respect to the weights is the gradient with respect to the means.
 */
import type { Device, HostArray } from "../compute/device.ts";
import type { PolicySpec } from "../compute/layout.ts";
import { policyLayout } from "../compute/layout.ts";
import { entropy } from "../compute/reference/distribution.ts";
import type { Comparison } from "./comparison.ts";
import { flatten } from "./fixture.ts";

interface DistributionsFixture {
  readonly x: number[][];
  readonly advantages: number[];
  readonly clip_eps: number;
  readonly old: { readonly mean: number[][]; readonly log_std: number[][] };
  readonly new: { readonly mean: number[][]; readonly log_std: number[] };
  readonly expected: {
    readonly log_likelihood_old: number[];
    readonly log_likelihood_new: number[];
    readonly likelihood_ratio: number[];
    readonly kl: number[];
    readonly kl_reverse: number[];
    readonly entropy_old: number[];
    readonly surrogate: number;
    readonly surrogate_grad_mean: number[][];
    readonly surrogate_grad_log_std: number[];
    readonly clipped_surrogate: number;
    readonly clipped_grad_mean: number[][];
    readonly clipped_grad_log_std: number[];
    readonly mean_kl: number;
    readonly mean_kl_grad_mean: number[][];
    readonly mean_kl_grad_log_std: number[];
  };
}

/** A Gaussian per sample: mean [n][A] and log std, one row for all or one per sample. */
interface Gaussians {
  readonly mean: number[][];
  readonly logStd: number[][];
}

/** Loss, mean KL and gradients of samples under `current`, collected under `old`. */
interface Result {
  readonly loss: number;
  readonly kl: number;
  readonly gradMean: number[];
  readonly gradLogStd: number[];
  readonly klGradMean: number[];
  readonly klGradLogStd: number[];
}

/** Runs both policy kernels on one task whose samples are `x`. */
async function runTask(
  device: Device,
  x: number[][],
  advantages: number[],
  old: Gaussians,
  mean: number[][],
  logStd: number[],
  clipEps: number | null,
): Promise<Result> {
  const count = x.length;
  const actDim = x[0].length;
  const spec: PolicySpec = {
    obsDim: count,
    actDim,
    hiddenSizes: [],
    activation: "tanh",
    learnStd: true,
    film: null,
  };
  const size = policyLayout(spec).size;
  const tensor = (label: string, shape: number[], data: number[]) => {
    const made = device.tensor(label, shape);
    device.write(made, data);
    return made;
  };
  const oneHot = Array.from({ length: count * count }, (_, i) => i % (count + 1) === 0 ? 1 : 0);
  const offsets = device.tensor("offsets", [2], "u32");
  device.write(offsets, [0, count]);
  const samples = {
    obs: tensor("obs", [count, count], oneHot),
    actions: tensor("actions", [count, actDim], flatten(x)),
    advantages: tensor("advantages", [count], advantages),
    oldMean: tensor("old mean", [count, actDim], flatten(old.mean)),
    oldLogStd: tensor("old log std", [count, actDim], flatten(old.logStd)),
    offsets,
    maxSamplesPerTask: count,
  };
  const params = tensor("params", [1, size], [
    ...flatten(mean),
    ...Array(actDim).fill(0),
    ...logStd,
  ]);
  const zero = device.tensor("zero", [1, size]);
  const gradParams = device.tensor("gradient", [1, size]);
  const klGrad = device.tensor("KL gradient", [1, size]);
  const stats = device.tensor("stats", [1, 2]);
  const shared = { spec, params, modulation: null, samples, minLogStd: null, gradModulation: null };
  try {
    await device.submit([
      { kernel: "surrogate_gradient", ...shared, clipEps, gradParams, stats },
      // With no step to pull back what is left is the penalty's gradient.
      {
        kernel: "inner_step_pullback",
        ...shared,
        innerLr: 0,
        klScale: 1,
        adjointIn: zero,
        adjointOut: klGrad,
      },
    ]);
    const [loss, kl] = await device.read(stats);
    const split = (grad: HostArray) =>
      [
        Array.from(grad.slice(0, count * actDim)),
        Array.from(grad.slice(size - actDim)),
      ] as const;
    const [gradMean, gradLogStd] = split(await device.read(gradParams));
    const [klGradMean, klGradLogStd] = split(await device.read(klGrad));
    return { loss, kl, gradMean, gradLogStd, klGradMean, klGradLogStd };
  } finally {
    const { maxSamplesPerTask: _, ...owned } = samples;
    for (const t of [...Object.values(owned), params, zero, gradParams, klGrad, stats]) {
      device.free(t);
    }
  }
}

/** Checks `distributions.json` on a device. */
export async function checkDistributions(
  device: Device,
  content: unknown,
  comparison: Comparison,
): Promise<void> {
  const f = content as DistributionsFixture;
  const e = f.expected;
  const actDim = f.x[0].length;
  const old: Gaussians = { mean: f.old.mean, logStd: f.old.log_std };
  const all = (clipEps: number | null) =>
    runTask(device, f.x, f.advantages, old, f.new.mean, f.new.log_std, clipEps);

  const plain = await all(null);
  comparison.add("surrogate", [plain.loss], e.surrogate);
  comparison.add("surrogate_grad_mean", plain.gradMean, e.surrogate_grad_mean);
  comparison.add("surrogate_grad_log_std", plain.gradLogStd, e.surrogate_grad_log_std);
  comparison.add("mean_kl", [plain.kl], e.mean_kl);
  comparison.add("mean_kl_grad_mean", plain.klGradMean, e.mean_kl_grad_mean);
  comparison.add("mean_kl_grad_log_std", plain.klGradLogStd, e.mean_kl_grad_log_std);
  const clipped = await all(f.clip_eps);
  comparison.add("clipped_surrogate", [clipped.loss], e.clipped_surrogate);
  comparison.add("clipped_grad_mean", clipped.gradMean, e.clipped_grad_mean);
  comparison.add("clipped_grad_log_std", clipped.gradLogStd, e.clipped_grad_log_std);

  // One task per sample, advantage 1: the loss is minus the ratio. Against a standard normal
  // around x, whose density there is known, the ratio gives the likelihood.
  const perSample = (
    x: number[],
    from: readonly [number[], number[]],
    to: readonly [number[], number[]],
  ) => {
    const distribution = { mean: [from[0]], logStd: [from[1]] };
    return runTask(device, [x], [1], distribution, [to[0]], to[1], null);
  };
  const logDensity = (result: Result) =>
    Math.log(-result.loss) - 0.5 * actDim * Math.log(2 * Math.PI);
  const columns: Record<"ratio" | "kl" | "reverse" | "old" | "new", number[]> = {
    ratio: [],
    kl: [],
    reverse: [],
    old: [],
    new: [],
  };
  for (const [n, x] of f.x.entries()) {
    const collected = [f.old.mean[n], f.old.log_std[n]] as const;
    const current = [f.new.mean[n], f.new.log_std] as const;
    const standard = [x, Array(actDim).fill(0)] as const;
    const forward = await perSample(x, collected, current);
    columns.ratio.push(-forward.loss);
    columns.kl.push(forward.kl);
    columns.reverse.push((await perSample(x, current, collected)).kl);
    columns.old.push(logDensity(await perSample(x, standard, collected)));
    columns.new.push(logDensity(await perSample(x, standard, current)));
  }
  comparison.add("likelihood_ratio", columns.ratio, e.likelihood_ratio);
  comparison.add("kl", columns.kl, e.kl);
  comparison.add("kl_reverse", columns.reverse, e.kl_reverse);
  comparison.add("log_likelihood_old", columns.old, e.log_likelihood_old);
  comparison.add("log_likelihood_new", columns.new, e.log_likelihood_new);
  if (device.kind === "reference") {
    // No kernel computes the entropy.
    const rows = f.old.log_std.map((row) => entropy({ data: row, at: 0 }, actDim));
    comparison.add("entropy_old", rows, e.entropy_old);
  }
}
