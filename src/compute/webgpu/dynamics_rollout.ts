/**
 * dynamics_rollout: candidate action sequences through the model, all of them and the whole
 * horizon in one launch. A workgroup holds a tile of sequences and loops over the steps; states,
 * normalised inputs and activations stay in the tile. The reward's columns are part of the kernel,
 * its weights and goals are arguments: another goal needs no other kernel.
 *
 * Where the steps exceed the loop limit of the driver, the horizon is cut into launches, between
 * which states and returns lie in a buffer.
 *
 * Axis letters: l sequence, h step, i input, z state, a action.
 */
import type { StageReward } from "../../util/stage_reward.ts";
import type { DynamicsRollout } from "../kernels.ts";
import {
  dynamicsSizes,
  type PackedRollout,
  packRollout,
  packRolloutKernel,
} from "./dynamics_packing.ts";
import {
  type BindingDecl,
  buildKernel,
  type Dispatch,
  elementGrid,
  type Kernel,
  type KernelLimits,
  type PlanContext,
  unitsPerInvocation,
} from "./kernel.ts";
import { declareOutput } from "./dynamics_tile.ts";
import { LayerTile } from "./layer_tile.ts";
import type { TileProfile } from "./profile.ts";
import type { TileBuilder } from "./tile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** Workgroups along x before the tiles continue along y. */
const GRID_WIDTH = 32768;

/** What of a reward is part of the kernel, and what is an argument. */
interface RewardText {
  /** Tells kernels apart. */
  readonly key: string;
  readonly scalars: readonly { readonly name: string; readonly value: number }[];
  /** WGSL of four states' reward, `s(column)` being the WGSL of a column. */
  readonly sum: (w: WgslWriter, s: (column: number) => string) => void;
}

function rewardText({ linear, proximity, penalty }: StageReward): RewardText {
  const columns = proximity?.columns ?? [];
  return {
    key: JSON.stringify([linear.map(({ column }) => column), columns, penalty?.column ?? null]),
    scalars: [
      ...linear.map(({ weight }, at) => ({ name: `weight${at}`, value: weight })),
      ...columns.map((_, at) => ({ name: `goal${at}`, value: proximity!.goal[at] })),
      ...proximity === null ? [] : [{ name: "proximity", value: proximity.weight }],
      ...penalty === null
        ? []
        : [{ name: "below", value: penalty.below }, { name: "penalty", value: penalty.amount }],
    ],
    sum: (w, s) => {
      w.line("var reward = vec4f();");
      linear.forEach(({ column }, at) => w.line(`reward += args.weight${at} * ${s(column)};`));
      if (proximity !== null) {
        w.line("var distance2 = vec4f();");
        columns.forEach((column, at) => {
          w.line(
            `let away${at} = ${s(column)} - args.goal${at};`,
            `distance2 += away${at} * away${at};`,
          );
        });
        w.line("reward += args.proximity * exp4(-distance2);");
      }
      if (penalty !== null) {
        const isBelow = `${s(penalty.column)} < vec4f(args.below)`;
        w.line(`reward -= select(vec4f(), vec4f(args.penalty), ${isBelow});`);
      }
    },
  };
}

/** Variant of a rollout kernel. */
export interface RolloutOptions {
  readonly packed: PackedRollout;
  readonly profile: TileProfile;
  readonly limits: KernelLimits;
  readonly reward: StageReward;
  /** Write the state after every step. */
  readonly states: boolean;
}

/** Generator of the rollout kernel. */
export class RolloutTile extends LayerTile {
  readonly #packed: PackedRollout;
  readonly #reward: RewardText;
  readonly #states: boolean;

  constructor(options: RolloutOptions) {
    const { packed, reward, states } = options;
    super({
      ...options,
      network: `a rollout of a dynamics model of sizes ${dynamicsSizes(packed.spec)}`,
      layers: packed.layers,
      activation: packed.spec.activation,
      packedSize: packed.size,
      ...{ tangent: false, cross: false, backward: false, sums: 0 },
      extraRows: packed.spec.outputDim,
    });
    this.#packed = packed;
    this.#reward = rewardText(reward);
    this.#states = states;
  }

  protected override sumThreads(): number {
    return 0;
  }

  /** Tells kernels of the same model apart. */
  get key(): string {
    return `${this.#reward.key} ${this.#states}`;
  }

  /** The reward's numbers, in the order of the kernel's scalars. */
  get rewardScalars(): number[] {
    return this.#reward.scalars.map(({ value }) => value);
  }

  /** vec4s that a tile keeps between two launches. */
  get carriedVectors(): number {
    return (this.#packed.spec.outputDim + 1) * this.tileSize / 4;
  }

  /** The kernel; a unit is a step. */
  kernel(): Kernel {
    const { spec } = this.#packed;
    const read = (name: string): BindingDecl => ({ name, access: "read", element: "f32" });
    const write = (name: string): BindingDecl => ({ name, access: "read_write", element: "f32" });
    return buildKernel({
      name: "dynamics_rollout",
      sizes: dynamicsSizes(spec),
      header: [
        "s_h+1 = clamp(s_h + f(([s_h, a_h] - meanIn) / stdIn) * stdOut + meanOut, low, high)",
        "returns[l] = sum_h discount^h reward(s_h+1), h = firstStep .. endStep - 1 in this launch",
        `a tile is ${this.tileSize} sequences, a workgroup has one; a unit is a step`,
        "l sequence, h step, i input, z state, a action",
        `overwrites returns${this.#states ? ", states" : ""} and, before the last step, carried`,
      ],
      bindings: [
        this.weightBinding(),
        read("start"),
        read("sequences"),
        write("returns"),
        ...(this.#states ? [write("states")] : []),
        { name: "carried", access: "read_write", element: "vec4f" },
      ],
      scalars: [
        ...["count", "horizon", "firstStep", "endStep"].map((name) => (
          { name, type: "u32" } as const
        )),
        ...["factor", "discount", ...this.#reward.scalars.map(({ name }) => name)].map((name) => (
          { name, type: "f32" } as const
        )),
      ],
      body: (w) => this.#main(w),
    });
  }

  #main(w: WgslWriter): number {
    const { spec, inputScale, outputScale } = this.#packed;
    const { outputDim } = spec;
    const { tile } = this.builders(w);
    const { width, threads, tileSize } = tile;
    const state = (z: string | number) => tile.at(`${this.extraRow}u + ${z}`, "group");
    const totals = Math.ceil(width / threads);
    const total = totals === 1 ? "totals[0]" : `totals[group / ${threads}u]`;
    this.declare(w);
    w.line(`var<private> totals: array<vec4f, ${totals}>;`);
    this.declareActivation(w, spec.outputLimit !== null);
    declareOutput(w, spec.outputLimit);
    w.line("// writes column z of four states, and what the model sees of it");
    w.block("fn setState(z: u32, group: u32, s: vec4f)", () => {
      w.line(
        `let scale = weights[${inputScale / 4}u + z];`,
        `${state("z")} = s;`,
        `${tile.at("z", "group")} = (s - scale.x) / scale.y;`,
      );
    });
    let perStep = 0;
    w.line(`@compute @workgroup_size(${threads})`);
    w.block(
      "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lid: u32)",
      () => {
        w.line(
          `let tileNumber = workgroup.y * ${GRID_WIDTH}u + workgroup.x;`,
          `let firstSequence = tileNumber * ${tileSize}u;`,
          "if (firstSequence >= args.count) { return; }",
          `let carriedBase = tileNumber * ${this.carriedVectors}u;`,
        );
        this.#start(tile, total);
        w.line("var factor = args.factor;");
        const steps = { variable: "h", from: "args.firstStep", to: "args.endStep", passes: 0 };
        perStep = w.loop(steps, () => {
          this.#loadActions(tile);
          this.forward(tile);
          w.line("// step");
          w.spread("element", outputDim * width, threads, () => {
            w.line(
              `let z = element % ${outputDim}u;`,
              `let group = element / ${outputDim}u;`,
              `let scale = weights[${outputScale / 4}u + z];`,
              `let f = outputOf(${tile.at(`${this.rows.at(-1)!.value}u + z`, "group")});`,
              `let s = ${state("z")} + (f * scale.y + scale.x);`,
              "// select, unlike clamp, lets a NaN through",
              "let s1 = select(s, vec4f(scale.z), s < vec4f(scale.z));",
              "setState(z, group, select(s1, vec4f(scale.w), s1 > vec4f(scale.w)));",
            );
            if (this.#states) this.#storeStates(w);
          });
          tile.barrier();
          w.line("// reward");
          w.spread("group", width, threads, () => {
            this.#reward.sum(w, state);
            w.line(`${total} += factor * reward;`);
          });
          w.line("factor *= args.discount;");
        });
        this.#finish(tile, total);
      },
    );
    return perStep;
  }

  /** WGSL lines `if (sequence exists) body` for the four sequences of a group. */
  #eachSequence(w: WgslWriter, body: (axis: string, l: string) => string): void {
    for (const [part, axis] of [..."xyzw"].entries()) {
      w.line(`if (l + ${part}u < args.count) { ${body(axis, `(l + ${part}u)`)} }`);
    }
  }

  /** States and returns at the launch's first step; padded inputs are zero from here on. */
  #start(tile: TileBuilder, total: string): void {
    const { writer: w, width, threads } = tile;
    const { spec, layers } = this.#packed;
    w.spread("element", layers[0].rows * width, threads, () => w.line("tile[element] = vec4f();"));
    tile.barrier();
    w.spread("element", spec.outputDim * width, threads, () => {
      w.line(
        `let z = element / ${width}u;`,
        `let group = element % ${width}u;`,
        "var s = vec4f(start[z]);",
        "if (args.firstStep > 0u) { s = carried[carriedBase + element]; }",
        "setState(z, group, s);",
      );
    });
    w.block("if (args.firstStep > 0u)", () => {
      w.spread("group", width, threads, () => {
        w.line(`${total} = carried[carriedBase + ${spec.outputDim * width}u + group];`);
      });
    });
  }

  /** Normalised actions of step h; behind a barrier the inputs are complete. */
  #loadActions(tile: TileBuilder): void {
    const { writer: w, width, threads } = tile;
    const { spec, inputScale } = this.#packed;
    const actDim = spec.inputDim - spec.outputDim;
    w.line("// actions");
    w.spread("element", actDim * width, threads, () => {
      w.line(
        `let a = element % ${actDim}u;`,
        `let group = element / ${actDim}u;`,
        `let i = ${spec.outputDim}u + a;`,
        "let l = firstSequence + group * 4u;",
        `let scale = weights[${inputScale / 4}u + i];`,
        "var action = vec4f();",
      );
      this.#eachSequence(
        w,
        (axis, l) => `action.${axis} = sequences[(${l} * args.horizon + h) * ${actDim}u + a];`,
      );
      w.line(`${tile.at("i", "group")} = (action - scale.x) / scale.y;`);
    });
    tile.barrier();
  }

  /** Column z of four states after step h. */
  #storeStates(w: WgslWriter): void {
    const { outputDim } = this.#packed.spec;
    const width = this.tileSize / 4;
    w.line(
      "let l = firstSequence + group * 4u;",
      `let stored = tile[(${this.extraRow}u + z) * ${width}u + group];`,
    );
    this.#eachSequence(
      w,
      (axis, l) => `states[(h * args.count + ${l}) * ${outputDim}u + z] = stored.${axis};`,
    );
  }

  /** Returns, and what the next launch goes on with. */
  #finish(tile: TileBuilder, total: string): void {
    const { writer: w, width, threads } = tile;
    const { outputDim } = this.#packed.spec;
    w.spread("group", width, threads, () => {
      w.line("let l = firstSequence + group * 4u;");
      this.#eachSequence(w, (axis, l) => `returns[${l}] = ${total}.${axis};`);
    });
    w.block("if (args.endStep < args.horizon)", () => {
      w.spread("group", width, threads, () => {
        w.line(`carried[carriedBase + ${outputDim * width}u + group] = ${total};`);
      });
      w.spread("element", outputDim * width, threads, () => {
        w.line(`carried[carriedBase + element] = tile[${this.extraRow * width}u + element];`);
      });
    });
  }
}

/** Dispatches of {@link DynamicsRollout}. */
export function planDynamicsRollout(command: DynamicsRollout, context: PlanContext): Dispatch[] {
  const { spec, params, normalizer, bounds, state, sequences, horizon, discount } = command;
  const { reward, returns, states } = command;
  const packed = packRollout(spec);
  const { profile, limits } = context;
  const rollout = new RolloutTile({ packed, profile, limits, reward, states: states !== null });
  const key = JSON.stringify(spec);
  const kernel = context.kernel(`dynamics_rollout ${key} ${rollout.key}`, () => rollout.kernel());
  const pack = context.kernel(`pack_rollout ${key}`, () => packRolloutKernel(packed));
  const weights = context.scratch("packed", packed.size);
  const tiles = Math.ceil(returns.size / rollout.tileSize);
  const steps = Math.max(1, Math.min(horizon, unitsPerInvocation(kernel, limits)));
  const carried = context.scratch(
    "carried",
    steps >= horizon ? 4 : 4 * tiles * rollout.carriedVectors,
  );
  const launches: Dispatch[] = [];
  for (let first = 0; first === 0 || first < horizon; first += steps) {
    const end = Math.min(first + steps, horizon);
    launches.push({
      kernel,
      buffers: [
        rollout.weightBuffer(weights),
        ...[state, sequences, returns].map((tensor) => context.binding(tensor)),
        ...(states === null ? [] : [context.binding(states)]),
        carried,
      ],
      scalars: [
        ...[returns.size, horizon, first, end, discount ** first, discount],
        ...rollout.rewardScalars,
      ],
      grid: [Math.min(tiles, GRID_WIDTH), Math.ceil(tiles / GRID_WIDTH), 1],
      units: end - first,
    });
  }
  return [
    {
      kernel: pack,
      buffers: [params, normalizer, bounds].map((tensor) => context.binding(tensor))
        .concat(weights),
      scalars: [command.situation],
      grid: elementGrid(packed.size),
    },
    ...launches,
  ];
}
