/**
 * What the three policy kernels share beyond the network's layers: bindings and chunks, the
 * samples, and the sums over them.
 *
 * One workgroup works on one chunk of one task: it goes through its tiles of samples and keeps the
 * gradient, summed over them, in registers (or an indexed array). Each chunk writes one gradient
 * row; `reduce_rows` adds a task's rows in the order of the chunks, so results do not depend on
 * which workgroup finishes first.
 *
 * Axis letters: m task, s sample of the tile, i input and j output of a layer, a action.
 */
import type { SampleTensors } from "../kernels.ts";
import type { Tensor } from "../device.ts";
import type { BindingDecl, Dispatch, Kernel, KernelLimits, ScalarDecl } from "./kernel.ts";
import { LayerTile } from "./layer_tile.ts";
import { type PackedPolicy, policySizes } from "./policy_packing.ts";
import type { TileProfile } from "./profile.ts";
import type { Gradient, TileBuilder } from "./tile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** Variant of a policy tile kernel. */
export interface PolicyTileOptions {
  readonly packed: PackedPolicy;
  readonly profile: TileProfile;
  readonly limits: KernelLimits;
  /** Carry a tangent through forward and backward pass. */
  readonly tangent: boolean;
  /** Sum delta * cross per hidden unit, for the derivative to the modulation. */
  readonly cross: boolean;
  /** The kernel goes back through the layers and sums gradients. */
  readonly backward: boolean;
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Generator of the policy kernels' common parts. */
export class PolicyTile extends LayerTile {
  readonly packed: PackedPolicy;

  constructor(options: PolicyTileOptions) {
    const { packed, backward } = options;
    super({
      ...options,
      network: `a policy of sizes ${policySizes(packed.spec)}`,
      layers: packed.layers,
      activation: packed.spec.activation,
      packedSize: packed.size,
      sums: backward ? packed.spec.actDim + 2 : 0,
    });
    this.packed = packed;
  }

  protected override sumThreads(tileSize: number): number {
    return Math.min(this.profile.workgroupSize, tileSize);
  }

  /** Bindings of the packed rows; first in the list of bindings. */
  weightBindings(): BindingDecl[] {
    const declare = (name: string): BindingDecl =>
      this.uniform
        ? {
          name,
          access: "uniform",
          element: "vec4f",
          length: this.packed.size / 4,
          dynamic: true,
        }
        : { name, access: "read", element: "vec4f" };
    // as storage, the tangents lie behind the weights in the same binding
    return this.uniform && this.hasTangent
      ? [declare("weights"), declare("tangents")]
      : [declare("weights")];
  }

  /** Scalars of every policy kernel; the kernel's own follow. */
  scalars(): ScalarDecl[] {
    return ["tasks", "chunks", "tilesPerChunk"].map((name) => ({ name, type: "u32" }));
  }

  /** WGSL of the vec4 with index `*` of the task's weights or tangents, `first` floats in. */
  protected override weights(name: "weights" | "tangents", first: number): string {
    if (this.uniform) return `${name}[${first / 4}u + *]`;
    return `weights[${name}Base + ${first / 4}u + *]`;
  }

  /**
   * Declarations and `main`. `body` gets the builders and writes what happens to one tile;
   * `finish` what follows after the last.
   * @returns loop iterations of one tile
   */
  main(
    w: WgslWriter,
    parts: {
      readonly declare: () => void;
      readonly tile: (tile: TileBuilder, gradient: Gradient) => void;
    },
  ): number {
    const { packed, tileSize } = this;
    const { tile, gradient } = this.builders(w);
    const { backward } = this.options;
    this.declare(w);
    if (backward) {
      w.line(
        `var<private> logStdSums: array<f32, ${packed.spec.actDim}>;`,
        "var<private> statSums: vec2f;",
      );
      gradient.declare();
    }
    this.declareActivation(w);
    parts.declare();
    let perTile = 0;
    w.line(`@compute @workgroup_size(${this.profile.workgroupSize})`);
    w.block(
      "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lid: u32)",
      () => {
        w.line(
          this.uniform ? "let m = u32(weights[0].x);" : "let m = workgroup.y;",
          ...(this.uniform ? [] : [`let weightsBase = m * ${packed.size / 4}u;`]),
          ...(this.uniform || !this.hasTangent
            ? []
            : [`let tangentsBase = (args.tasks + m) * ${packed.size / 4}u;`]),
          "let first = offsets[m];",
          "let count = offsets[m + 1u] - first;",
          "let firstTile = workgroup.x * args.tilesPerChunk;",
          `let endTile = min(firstTile + args.tilesPerChunk, (count + ${
            tileSize - 1
          }u) / ${tileSize}u);`,
        );
        if (backward) {
          w.line(
            `let gradientBase = (m * args.chunks + workgroup.x) * ${packed.gradSize / 4}u;`,
          );
          gradient.start();
        }
        const head = { variable: "at", from: "firstTile", to: "endTile", passes: 0 };
        perTile = w.loop(head, () => {
          w.line(`let firstSample = at * ${tileSize}u;`);
          parts.tile(tile, gradient);
        });
        if (backward) {
          gradient.finish();
          this.#finishSums(tile);
        }
      },
    );
    return perTile;
  }

  /** Tasks of one launch: with weights in a uniform buffer each task has its own. */
  tasksPerLaunch(tasks: number): number {
    return this.uniform ? 1 : tasks;
  }

  /** Observations of the tile's samples, zero behind the task's last one. */
  loadObservations(tile: TileBuilder): void {
    const { writer: w, width, threads } = tile;
    const { obsDim } = this.packed.spec;
    const rows = this.packed.layers[0].rows;
    w.line("// observations");
    w.spread("element", rows * width, threads, () => {
      w.line(
        `let i = element % ${rows}u;`,
        `let group = element / ${rows}u;`,
        "let n = firstSample + group * 4u;",
        `let place = (first + n) * ${obsDim}u + i;`,
        "var x = vec4f();",
      );
      range(4).forEach((part) => {
        const there = [
          ...(rows > obsDim ? [`i < ${obsDim}u`] : []),
          `n + ${part}u < count`,
        ].join(" && ");
        w.line(`if (${there}) { x.${"xyzw"[part]} = obs[place + ${part * obsDim}u]; }`);
      });
      w.line(`${tile.at("i", "group")} = x;`);
    });
    tile.barrier();
  }

  /** Writes bias, cross, log std and statistics sums to the chunk's gradient row. */
  #finishSums(tile: TileBuilder): void {
    const { writer: w, threads } = tile;
    const { packed } = this;
    this.finishRowSums(tile, packed.layers.map(({ cross }) => cross));
    const { actDim } = packed.spec;
    const sumThreads = this.sumThreads(this.tileSize);
    w.line("// log std, loss and KL: sums of all threads, by way of the tile");
    const slot = (value: string, thread: string) => {
      const index = `((${value}) * ${sumThreads}u + ${thread})`;
      return `tile[${index} / 4u][${index} % 4u]`;
    };
    tile.barrier();
    w.block(`if (lid < ${sumThreads}u)`, () => {
      w.loop({ variable: "a", from: "0u", to: `${actDim}u`, passes: actDim }, () => {
        w.line(`${slot("a", "lid")} = logStdSums[a];`);
      });
      w.line(`${slot(`${actDim}u`, "lid")} = statSums.x;`);
      w.line(`${slot(`${actDim + 1}u`, "lid")} = statSums.y;`);
    });
    tile.barrier();
    w.spread("value", actDim + 2, threads, () => {
      w.line("var sum = 0.0;");
      const head = { variable: "thread", from: "0u", to: `${sumThreads}u`, passes: sumThreads };
      w.loop(head, () => w.line(`sum += ${slot("value", "thread")};`));
      w.line(
        `let index = select(${packed.gradStats - actDim}u, ${packed.gradLogStd}u, ` +
          `value < ${actDim}u) + value;`,
        "gradients[gradientBase + index / 4u][index % 4u] = sum;",
      );
    });
  }

  /** Row of action `a` (an expression) in the tile's means and their tangents. */
  meanRow(kind: "value" | "tangent", a: string): string {
    return `${this.rows.at(-1)![kind]}u + ${a}`;
  }

  /** WGSL of (log std, 1 / std, above floor, tangent) of action `a` (an expression). */
  gaussian(name: "weights" | "tangents", a: string): string {
    return this.weights(name, this.packed.gaussian).replace("*", a);
  }

  /** Bindings of the samples, the last of them `offsets`. */
  static sampleBindings(): BindingDecl[] {
    const names = ["obs", "actions", "advantages", "oldMean", "oldLogStd"];
    return [
      ...names.map((name) => ({ name, access: "read", element: "f32" } as const)),
      { name: "offsets", access: "read", element: "u32" },
    ];
  }
}

/** Tensors of {@link PolicyTile.sampleBindings}. */
export function sampleTensors(samples: SampleTensors): Tensor[] {
  const { obs, actions, advantages, oldMean, oldLogStd, offsets } = samples;
  return [obs, actions, advantages, oldMean, oldLogStd, offsets];
}

/**
 * Launches of a policy kernel over all chunks of all tasks.
 * @param packedRows buffer of the packed rows, with a tangent twice as many
 */
export function policyDispatch(
  tile: PolicyTile,
  kernel: Kernel,
  tasks: number,
  cut: { chunks: number; tilesPerChunk: number },
  packedRows: GPUBufferBinding,
  buffers: readonly GPUBufferBinding[],
  scalars: readonly number[],
): Dispatch {
  const rowBytes = tile.packed.size * 4;
  const { chunks, tilesPerChunk } = cut;
  const weights: GPUBufferBinding[] = tile.uniform
    ? range(tile.hasTangent ? 2 : 1).map((kind) => ({
      buffer: packedRows.buffer,
      offset: (packedRows.offset ?? 0) + kind * tasks * rowBytes,
      size: rowBytes,
    }))
    : [packedRows];
  return {
    kernel,
    buffers: [...weights, ...buffers],
    scalars: [tasks, chunks, tilesPerChunk, ...scalars],
    grid: [chunks, tile.tasksPerLaunch(tasks), 1],
    dynamicOffsets: tile.uniform ? range(tasks).map((m) => m * rowBytes) : undefined,
    units: tilesPerChunk,
  };
}
