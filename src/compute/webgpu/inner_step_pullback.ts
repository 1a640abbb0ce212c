/**
 * inner_step_pullback: the adjoint of one inner step, by Pearlmutter's R-operator (Pearlmutter,
 * Fast exact multiplication by the Hessian, 1994): forward pass and its tangent, then both
 * backward passes, with the KL penalty's gradient in the same pass.
 *
 * The tangent direction is V = -innerLr * adjointIn, so that, R being the derivative in direction
 * V and delta the surrogate's deltas, epsilon = R(delta) + klScale * (deltas of the KL) obeys one
 * recurrence and gives -innerLr H v + klScale dKL/dtheta at once.
 */
import type { InnerStepPullback } from "../kernels.ts";
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
import { declareKl, forEachSample } from "./surrogate_gradient.ts";

/** Kernel on packed rows and packed tangents; writes one gradient row per chunk. */
export function innerStepPullbackKernel(policy: PolicyTile): Kernel {
  const { spec } = policy.packed;
  const actions = { variable: "a", from: "0u", to: `${spec.actDim}u`, passes: spec.actDim };
  return buildKernel({
    name: "inner_step_pullback",
    sizes: policySizes(spec),
    header: [
      "R(gradient of the surrogate) in the direction of the tangents + klScale * gradient of the KL",
      "delta: d surrogate / d pre-activation; epsilon = R(delta) + klScale * dKL / d pre-activation",
      `a tile is ${policy.tileSize} samples of one task, a chunk is tilesPerChunk tiles`,
      "m task, s sample, i input and j output of a layer, a action",
      "overwrites gradients[m, chunk, gradient row] with the chunk's part of the sums",
    ],
    bindings: [
      ...policy.weightBindings(),
      ...PolicyTile.sampleBindings(),
      { name: "gradients", access: "read_write", element: "vec4f" },
    ],
    scalars: [...policy.scalars(), { name: "klScale", type: "f32" }],
    body: (w) =>
      policy.main(w, {
        declare: () => declareKl(w),
        tile: (tile, gradient) => {
          const mean = tile.scalarAt(policy.meanRow("value", "a"), "s");
          const meanTangent = tile.scalarAt(policy.meanRow("tangent", "a"), "s");
          policy.loadObservations(tile);
          policy.forward(tile);
          w.line("// delta and epsilon of the means overwrite the means and their tangents");
          forEachSample(tile, policy, () => {
            w.line("var logRatio = 0.0;", "var logRatioTangent = 0.0;");
            w.loop(actions, () => {
              w.line(
                `let gaussian = ${policy.gaussian("weights", "a")};`,
                `let logStdTangent = ${policy.gaussian("tangents", "a")}.x;`,
                "let oldLogStd_a = oldLogStd[place + a];",
                "let action = actions[place + a];",
                `let z = (action - ${mean}) * gaussian.y;`,
                "let zOld = (action - oldMean[place + a]) * exp1(-oldLogStd_a);",
                "logRatio += oldLogStd_a - gaussian.x + 0.5 * (zOld - z) * (zOld + z);",
                `logRatioTangent += z * gaussian.y * ${meanTangent} + ` +
                  "(z * z - 1.0) * logStdTangent;",
              );
            });
            w.line(
              "let factor = -exp1(logRatio) * advantages[first + n] / f32(count);",
              "let factorTangent = factor * logRatioTangent;",
              "let klFactor = args.klScale / f32(count);",
            );
            w.loop(actions, () => {
              w.line(
                `let gaussian = ${policy.gaussian("weights", "a")};`,
                `let logStdTangent = ${policy.gaussian("tangents", "a")}.x;`,
                `let mean = ${mean};`,
                "let z = (actions[place + a] - mean) * gaussian.y;",
                "// R(z): mean and std both move",
                `let zTangent = -${meanTangent} * gaussian.y - z * logStdTangent;`,
                "let kl = klOf(oldMean[place + a], oldLogStd[place + a], mean, gaussian.x, " +
                  "gaussian.y);",
                `${mean} = factor * z * gaussian.y;`,
                `${meanTangent} = klFactor * kl.y + gaussian.y * (factorTangent * z + ` +
                  "factor * (zTangent - z * logStdTangent));",
                "logStdSums[a] += gaussian.z * (klFactor * kl.z + factorTangent * (z * z - 1.0) " +
                  "+ factor * 2.0 * z * zTangent);",
              );
            });
          }, () => w.line(`${mean} = 0.0;`, `${meanTangent} = 0.0;`));
          policy.backward(tile, gradient);
        },
      }),
  });
}

/** Dispatches of {@link InnerStepPullback}. */
export function planInnerStepPullback(
  command: InnerStepPullback,
  context: PlanContext,
): Dispatch[] {
  const { spec, params, modulation, samples, adjointIn, adjointOut, gradModulation } = command;
  const modulated = modulation !== null && spec.film !== null;
  const packed = packPolicy(spec);
  const tasks = samples.offsets.size - 1;
  const film = modulated && gradModulation !== null;
  const { profile, limits } = context;
  const policy = new PolicyTile({
    packed,
    profile,
    limits,
    tangent: true,
    // also where this step has no modulation, as another step of the same policy will
    cross: spec.film !== null,
    backward: true,
  });
  const key = JSON.stringify([spec, modulated]);
  const pack = context.kernel(`pack both ${key}`, () => packKernel(packed, modulated, true));
  const kernel = context.kernel(
    `inner_step_pullback ${JSON.stringify(spec)}`,
    () => innerStepPullbackKernel(policy),
  );
  const unpack = context.kernel(
    `unpack pullback ${key} ${film}`,
    () => unpackKernel(packed, { modulated, mode: "pullback", gradModulation: film }),
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
  const packedRows = context.scratch("packed", tasks * packed.size * 2);
  const parts = context.scratch("gradients", tasks * cut.chunks * packed.gradSize);
  const { rows, dispatches } = reduceDispatch(
    parts,
    tasks,
    cut.chunks,
    packed.gradSize,
    "rows",
    context,
  );
  const outputs = packed.numParams + (film ? packed.numModulation : 0);
  return [
    {
      kernel: pack,
      buffers: [
        context.binding(params),
        ...(modulated ? [context.binding(modulation)] : []),
        context.binding(adjointIn),
        packedRows,
      ],
      scalars: [tasks, command.minLogStd ?? NO_FLOOR, -command.innerLr],
      grid: elementGrid(tasks * packed.size * 2),
    },
    policyDispatch(
      policy,
      kernel,
      tasks,
      cut,
      packedRows,
      [...sampleTensors(samples).map((tensor) => context.binding(tensor)), parts],
      [command.klScale],
    ),
    ...dispatches,
    {
      kernel: unpack,
      buffers: [
        rows,
        context.binding(adjointIn),
        ...(modulated ? [context.binding(modulation)] : []),
        ...(film ? [context.binding(params), context.binding(gradModulation)] : []),
        context.binding(adjointOut),
      ],
      scalars: [tasks],
      grid: elementGrid(tasks * outputs),
    },
  ];
}
