/**
 * surrogate_gradient: loss, mean KL and the loss's gradient, forward and backward pass fused.
 * Formulas: tests/golden README, "Diagonal Gaussian"; proximal form: Rothfuss et al., ProMP:
 * Proximal Meta-Policy Search, 2019, eq. 13.
 */
import type { SurrogateGradient } from "../kernels.ts";
import { chunksOf, reduceDispatch } from "./chunks.ts";
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  type Kernel,
  type PlanContext,
} from "./kernel.ts";
import { NO_FLOOR } from "./policy_forward.ts";
import { packKernel, packPolicy, policySizes, unpackKernel } from "./policy_packing.ts";
import { policyDispatch, PolicyTile, sampleTensors } from "./policy_tile.ts";
import type { TileBuilder } from "./tile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** Half of the 1e-8 in the KL's denominator 2 var + 1e-8, relative to var. */
const KL_EPSILON = "5e-9";

/** Largest ratio range, standing for "not clipped". */
const NO_CLIP = 3e38;

/**
 * Writes the WGSL function that gives, for one action dimension, the KL(old || current) and its
 * derivatives to mean and log std. With t = 2 (oldLogStd - logStd), z = (oldMean - mean) / std,
 * k = 5e-9 / std^2 and q = 1 / (1 + k), the golden README's formula becomes
 *
 *     KL = 0.5 (q (z^2 + e^t - 1 - t) - t (1 - q))
 *     dKL/dmean = -q z / std        dKL/dlogStd = (1 - q) - q^2 (z^2 + e^t - 1)
 *
 * where e^t - 1 - t is a series near 0: the plain form loses all digits of a small KL.
 */
export function declareKl(
  w: WgslWriter,
): void {
  w.line("// KL(old || current) of one action dimension, d/d mean, d/d log std");
  w.block(
    "fn klOf(oldMean: f32, oldLogStd: f32, mean: f32, logStd: f32, invStd: f32) -> vec3f",
    () => {
      w.line(
        "let t = 2.0 * (oldLogStd - logStd);",
        "let z = (oldMean - mean) * invStd;",
        "let series = t * t * (0.5 + t * (0.16666667 + t * (0.041666668 + t * (0.008333334 + " +
          "t * (0.0013888889 + t * 0.00019841270)))));",
        "let bend = select(exp1(t) - 1.0 - t, series, abs(t) < 0.5);",
        `let k = ${KL_EPSILON} * invStd * invStd;`,
        "let q = 1.0 / (1.0 + k);",
        "let kl = 0.5 * (q * (z * z + bend) - t * k * q);",
        "return vec3f(kl, -q * z * invStd, k * q - q * q * (z * z + t + bend));",
      );
    },
  );
}

/** Opens the loop over the tile's samples and, inside, the code for one sample of the task. */
export function forEachSample(
  tile: TileBuilder,
  policy: PolicyTile,
  there: () => void,
  behind: (a: string) => void,
): void {
  const { writer: w } = tile;
  const { actDim } = policy.packed.spec;
  w.spread("s", policy.tileSize, tile.threads, () => {
    w.line("let n = firstSample + s;");
    w.block("if (n < count)", () => {
      w.line(`let place = (first + n) * ${actDim}u;`);
      there();
    });
    w.block("else", () => {
      w.loop({ variable: "a", from: "0u", to: `${actDim}u`, passes: actDim }, () => behind("a"));
    });
  });
  tile.barrier();
}

/** Kernel of forward and backward pass on packed rows; writes one gradient row per chunk. */
export function surrogateGradientKernel(policy: PolicyTile): Kernel {
  const { spec } = policy.packed;
  const actions = { variable: "a", from: "0u", to: `${spec.actDim}u`, passes: spec.actDim };
  return buildKernel({
    name: "surrogate_gradient",
    sizes: policySizes(spec),
    header: [
      "loss_m = -mean_s min(ratio adv, clamp(ratio, low, high) adv), its gradient and the mean KL",
      `a tile is ${policy.tileSize} samples of one task, a chunk is tilesPerChunk tiles`,
      "m task, s sample, i input and j output of a layer, a action",
      "overwrites gradients[m, chunk, gradient row] with the chunk's part of the sums",
    ],
    bindings: [
      ...policy.weightBindings(),
      ...PolicyTile.sampleBindings(),
      { name: "gradients", access: "read_write", element: "vec4f" },
    ],
    scalars: [
      ...policy.scalars(),
      { name: "lowRatio", type: "f32" },
      { name: "highRatio", type: "f32" },
    ],
    body: (w) =>
      policy.main(w, {
        declare: () => declareKl(w),
        tile: (tile, gradient) => {
          const mean = tile.scalarAt(policy.meanRow("value", "a"), "s");
          policy.loadObservations(tile);
          policy.forward(tile);
          w.line("// delta[a,s] = d loss / d mean[a,s] overwrites the means");
          forEachSample(tile, policy, () => {
            w.line("var logRatio = 0.0;", "var kl = 0.0;");
            w.loop(actions, () => {
              w.line(
                `let gaussian = ${policy.gaussian("weights", "a")};`,
                "let oldLogStd_a = oldLogStd[place + a];",
                "let oldMean_a = oldMean[place + a];",
                "let action = actions[place + a];",
                `let mean = ${mean};`,
                "let z = (action - mean) * gaussian.y;",
                "let zOld = (action - oldMean_a) * exp1(-oldLogStd_a);",
                "logRatio += oldLogStd_a - gaussian.x + 0.5 * (zOld - z) * (zOld + z);",
                "kl += klOf(oldMean_a, oldLogStd_a, mean, gaussian.x, gaussian.y).x;",
              );
            });
            w.line(
              "let ratio = exp1(logRatio);",
              "let advantage = advantages[first + n] / f32(count);",
              "let plain = ratio * advantage;",
              "let clipped = clamp(ratio, args.lowRatio, args.highRatio) * advantage;",
              "let isClipped = clipped < plain;",
              "statSums += vec2f(-select(plain, clipped, isClipped), kl / f32(count));",
              "let factor = -select(plain, 0.0, isClipped);",
            );
            w.loop(actions, () => {
              w.line(
                `let gaussian = ${policy.gaussian("weights", "a")};`,
                `let z = (actions[place + a] - ${mean}) * gaussian.y;`,
                `${mean} = factor * z * gaussian.y;`,
                "logStdSums[a] += factor * (z * z - 1.0) * gaussian.z;",
              );
            });
          }, () => w.line(`${mean} = 0.0;`));
          policy.backward(tile, gradient);
        },
      }),
  });
}

/** Dispatches of {@link SurrogateGradient}. */
export function planSurrogateGradient(
  command: SurrogateGradient,
  context: PlanContext,
): Dispatch[] {
  const { spec, params, modulation, samples, gradParams, gradModulation, stats } = command;
  const modulated = modulation !== null && spec.film !== null;
  const packed = packPolicy(spec);
  const tasks = samples.offsets.size - 1;
  const { profile, limits } = context;
  const policy = new PolicyTile({
    packed,
    profile,
    limits,
    tangent: false,
    cross: false,
    backward: true,
  });
  const key = JSON.stringify([spec, modulated]);
  const film = modulated && gradModulation !== null;
  const pack = context.kernel(`pack ${key}`, () => packKernel(packed, modulated, false));
  const kernel = context.kernel(
    `surrogate_gradient ${JSON.stringify(spec)}`,
    () => surrogateGradientKernel(policy),
  );
  const unpack = context.kernel(
    `unpack gradient ${key} ${film}`,
    () => unpackKernel(packed, { modulated, mode: "gradient", gradModulation: film }),
  );
  const cut = chunksOf(
    kernel,
    policy.tileSize,
    tasks,
    samples.maxSamplesPerTask,
    context,
    packed.gradSize,
    policy.tasksPerLaunch(tasks),
  );
  const packedRows = context.scratch("packed", tasks * packed.size);
  const parts = context.scratch("gradients", tasks * cut.chunks * packed.gradSize);
  const { rows, dispatches } = reduceDispatch(
    parts,
    tasks,
    cut.chunks,
    packed.gradSize,
    "rows",
    context,
  );
  const outputs = packed.numParams + (film ? packed.numModulation : 0) + 2;
  const lowRatio = command.clipEps === null ? -NO_CLIP : 1 - command.clipEps;
  const highRatio = command.clipEps === null ? NO_CLIP : 1 + command.clipEps;
  return [
    {
      kernel: pack,
      buffers: [
        context.binding(params),
        ...(modulated ? [context.binding(modulation)] : []),
        packedRows,
      ],
      scalars: [tasks, command.minLogStd ?? NO_FLOOR, 0],
      grid: elementGrid(tasks * packed.size),
    },
    policyDispatch(
      policy,
      kernel,
      tasks,
      cut,
      packedRows,
      [...sampleTensors(samples).map((tensor) => context.binding(tensor)), parts],
      [lowRatio, highRatio],
    ),
    ...dispatches,
    {
      kernel: unpack,
      buffers: [
        rows,
        ...(modulated ? [context.binding(modulation)] : []),
        ...(film ? [context.binding(params), context.binding(gradModulation)] : []),
        context.binding(gradParams),
        context.binding(stats),
      ],
      scalars: [tasks],
      grid: elementGrid(tasks * outputs),
    },
  ];
}
