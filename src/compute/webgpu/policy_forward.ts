/**
 * policy_forward: the network's means for all samples of all tasks, each task with its own
 * parameters.
 */
import type { PolicyForward } from "../kernels.ts";
import { chunksOf } from "./chunks.ts";
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  type Kernel,
  type PlanContext,
} from "./kernel.ts";
import { packKernel, packPolicy, policySizes } from "./policy_packing.ts";
import { policyDispatch, PolicyTile } from "./policy_tile.ts";

/** Lowest float32 that a uniform can carry: no floor under the log std. */
export const NO_FLOOR = -3.4e38;

/** Kernel of the forward pass on packed rows. */
export function policyForwardKernel(policy: PolicyTile): Kernel {
  const { spec } = policy.packed;
  return buildKernel({
    name: "policy_forward",
    sizes: policySizes(spec),
    header: [
      "mean[s,:] = MLP(weights of task m)(obs[s,:])",
      `a tile is ${policy.tileSize} samples of one task; m task, s sample; overwrites mean`,
    ],
    bindings: [
      ...policy.weightBindings(),
      { name: "obs", access: "read", element: "f32" },
      { name: "offsets", access: "read", element: "u32" },
      { name: "mean", access: "read_write", element: "f32" },
    ],
    scalars: policy.scalars(),
    body: (w) =>
      policy.main(w, {
        declare: () => {},
        tile: (tile) => {
          policy.loadObservations(tile);
          policy.forward(tile);
          w.line("// means");
          w.spread("element", spec.actDim * policy.tileSize, tile.threads, () => {
            w.line(
              `let a = element % ${spec.actDim}u;`,
              `let s = element / ${spec.actDim}u;`,
            );
            w.block("if (firstSample + s < count)", () => {
              const value = tile.scalarAt(policy.meanRow("value", "a"), "s");
              w.line(`mean[(first + firstSample + s) * ${spec.actDim}u + a] = ${value};`);
            });
          });
          tile.barrier();
        },
      }),
  });
}

/** Dispatches of {@link PolicyForward}. */
export function planPolicyForward(command: PolicyForward, context: PlanContext): Dispatch[] {
  const { spec, params, modulation, obs, offsets, mean, maxSamplesPerTask } = command;
  const modulated = modulation !== null && spec.film !== null;
  const packed = packPolicy(spec);
  const tasks = offsets.size - 1;
  const { profile, limits } = context;
  const policy = new PolicyTile({
    packed,
    profile,
    limits,
    tangent: false,
    cross: false,
    backward: false,
  });
  const key = JSON.stringify([spec, modulated]);
  const pack = context.kernel(`pack ${key}`, () => packKernel(packed, modulated, false));
  const kernel = context.kernel(
    `policy_forward ${JSON.stringify(spec)}`,
    () => policyForwardKernel(policy),
  );
  const rows = context.scratch("packed", tasks * packed.size);
  const cut = chunksOf(
    ...[kernel, policy.tileSize, tasks, maxSamplesPerTask, context, 0] as const,
    policy.tasksPerLaunch(tasks),
  );
  return [
    {
      kernel: pack,
      buffers: [
        context.binding(params),
        ...(modulated ? [context.binding(modulation)] : []),
        rows,
      ],
      scalars: [tasks, NO_FLOOR, 0],
      grid: elementGrid(tasks * packed.size),
    },
    policyDispatch(
      policy,
      kernel,
      tasks,
      cut,
      rows,
      [obs, offsets, mean].map((tensor) => context.binding(tensor)),
      [],
    ),
  ];
}
