/**
 * What the three policy kernels share: which rows of the tile hold what, the forward pass (with
 * its tangent where asked for), the way back through the layers, and the sums over samples.
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
import {
  type BindingDecl,
  buildKernel,
  type Dispatch,
  elementGrid,
  elementMain,
  type Kernel,
  type KernelLimits,
  type PlanContext,
  type ScalarDecl,
  unitsPerInvocation,
} from "./kernel.ts";
import { type PackedLayer, type PackedPolicy, policySizes } from "./policy_packing.ts";
import type { TileProfile } from "./profile.ts";
import { GradientBuilder, type OuterProduct, type ProductSum, TileBuilder } from "./tile.ts";
import { declareExp, declareTanh } from "./wgsl_math.ts";
import type { WgslWriter } from "./wgsl_writer.ts";
import { RunError } from "../../util/errors.ts";

/** Rows of one layer's results in the tile; hidden layers end up holding deltas. */
interface LayerRows {
  readonly value: number;
  /** Derivative in the direction of the tangent; -1 where there is none. */
  readonly tangent: number;
  /** input * V + its bias, the part of the tangent that FiLM scales; -1 where not wanted. */
  readonly cross: number;
}

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
export class PolicyTile {
  readonly packed: PackedPolicy;
  readonly profile: TileProfile;
  readonly tileSize: number;
  readonly layers: readonly LayerRows[];
  readonly hasTangent: boolean;
  /** Weights in uniform buffers, one launch per task. */
  readonly uniform: boolean;
  readonly #backward: boolean;
  readonly #tileVectors: number;
  readonly #sumThreads: number;

  constructor(options: PolicyTileOptions) {
    const { packed, profile, limits } = options;
    this.packed = packed;
    this.profile = profile;
    this.hasTangent = options.tangent;
    this.#backward = options.backward;
    this.uniform = profile.weightSource === "uniform" && packed.size * 4 <= limits.uniformBytes;
    let rows = packed.layers[0].rows;
    this.layers = packed.layers.map((layer, at) => {
      const take = (wanted: boolean) => {
        if (!wanted) return -1;
        rows += layer.columns;
        return rows - layer.columns;
      };
      const hidden = at < packed.layers.length - 1;
      return {
        value: take(true),
        tangent: take(options.tangent),
        cross: take(options.cross && hidden),
      };
    });
    const vectors = (tileSize: number) => {
      const threads = Math.min(profile.workgroupSize, tileSize);
      const sums = Math.ceil((packed.spec.actDim + 2) * threads / 4);
      return Math.max(rows * tileSize / 4, options.backward ? sums : 0);
    };
    const tileSize = profile.tileSizes.find((size) => vectors(size) * 16 <= limits.workgroupBytes);
    if (tileSize === undefined) {
      throw new RunError(
        "workgroup-memory",
        `Cannot fit a policy of sizes ${policySizes(packed.spec)} into the GPU's ` +
          `workgroup memory: ${vectors(profile.tileSizes.at(-1)!) * 16} bytes are needed, ` +
          `${limits.workgroupBytes} are there; take smaller layers or --device cpu`,
      );
    }
    this.tileSize = tileSize;
    this.#tileVectors = vectors(tileSize);
    this.#sumThreads = Math.min(profile.workgroupSize, tileSize);
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
  #weights(name: "weights" | "tangents", first: number): string {
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
      readonly tile: (tile: TileBuilder, gradient: GradientBuilder) => void;
    },
  ): number {
    const { packed, tileSize } = this;
    const tile = new TileBuilder(w, this.profile, tileSize);
    const gradient = new GradientBuilder(
      tile,
      this.#backward ? packed.layers.map((layer, at) => this.#outerProduct(layer, at)) : [],
      "gradients[gradientBase + *]",
    );
    w.line(`var<workgroup> tile: array<vec4f, ${this.#tileVectors}>;`);
    if (this.#backward) {
      w.line(
        `var<private> rowSums: array<f32, ${this.#rowSumSlots().size}>;`,
        `var<private> logStdSums: array<f32, ${packed.spec.actDim}>;`,
        "var<private> statSums: vec2f;",
      );
      gradient.declare();
    }
    this.#activation(w);
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
        if (this.#backward) {
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
        if (this.#backward) {
          gradient.finish();
          this.#finishSums(tile);
        }
      },
    );
    return perTile;
  }

  /** Hidden layers' nonlinearity and, from its result, its slope. */
  #activation(w: WgslWriter): void {
    const tanh = this.packed.spec.activation === "tanh";
    declareExp(w);
    if (tanh) declareTanh(w);
    w.block("fn activate(u: vec4f) -> vec4f", () => {
      if (tanh) {
        w.line("return tanh4(u);");
      } else {
        w.line("return select(u, vec4f(), u < vec4f());");
      }
    });
    if (!this.#backward) return;
    w.block("fn slope(y: vec4f) -> vec4f", () => {
      w.line(tanh ? "return 1.0 - y * y;" : "return select(vec4f(1.0), vec4f(), y <= vec4f());");
    });
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

  /** All layers; the last one's results are the means. Ends with a barrier. */
  forward(tile: TileBuilder): void {
    const { writer: w } = tile;
    this.packed.layers.forEach((layer, at) => {
      const hidden = at < this.packed.layers.length - 1;
      const rows = this.layers[at];
      const [value, tangent] = at === 0
        ? [0, -1]
        : [this.layers[at - 1].value, this.layers[at - 1].tangent];
      const biasAt = layer.rows * layer.columns / 4;
      const sums: ProductSum[] = [{ name: "u", terms: [["W", "x"]], bias: ["W", biasAt] }];
      if (this.hasTangent) {
        const direct: ProductSum = { name: "c", terms: [["V", "x"]], bias: ["V", biasAt] };
        if (at === 0) sums.push(direct);
        else if (rows.cross >= 0) sums.push(direct, { name: "t", terms: [["W", "dx"]] });
        else sums.push({ ...direct, name: "t", terms: [["W", "dx"], ["V", "x"]] });
      }
      tile.product({
        comment: `layer ${at}: ${layer.inputs} -> ${layer.outputs}`,
        depth: layer.rows,
        outputs: layer.columns,
        transposed: false,
        weights: {
          W: this.#weights("weights", layer.weights),
          ...(this.hasTangent ? { V: this.#weights("tangents", layer.weights) } : {}),
        },
        stride: layer.columns / 4,
        rows: { x: value, ...(this.hasTangent && at > 0 ? { dx: tangent } : {}) },
        sums,
        store: (output, group, { u, c, t }) => {
          if (rows.cross >= 0) w.line(`${tile.at(`${rows.cross}u + ${output}`, group)} = ${c};`);
          const tangentSum = [t, c].filter((name) => name !== undefined).join(" + ");
          const place = (row: number) => tile.at(`${row}u + ${output}`, group);
          if (!hidden) {
            w.line(`${place(rows.value)} = ${u};`);
            if (this.hasTangent) w.line(`${place(rows.tangent)} = ${tangentSum};`);
            return;
          }
          w.line(`let y = activate(${u});`, `${place(rows.value)} = y;`);
          if (this.hasTangent) w.line(`${place(rows.tangent)} = slope(y) * (${tangentSum});`);
        },
      });
      tile.barrier();
    });
  }

  /** Layer's gradient: from its inputs and the deltas (and tangents) of its outputs. */
  #outerProduct(layer: PackedLayer, at: number): OuterProduct {
    const rows = this.layers[at];
    const input = at === 0 ? { value: 0, tangent: -1 } : this.layers[at - 1];
    // with a tangent: X = input^T epsilon + (tangent of input)^T delta
    const pairs: [number, number][] = [[input.value, this.hasTangent ? rows.tangent : rows.value]];
    if (this.hasTangent && at > 0) pairs.push([input.tangent, rows.value]);
    return {
      comment: `gradient of layer ${at}`,
      rows: layer.rows,
      columns: layer.columns,
      pairs,
      place: layer.weights / 4,
    };
  }

  /** First slot of each layer's bias sums and cross sums in the thread's `rowSums`. */
  #rowSumSlots(): { size: number; bias: number[]; cross: number[] } {
    let size = 0;
    const take = (columns: number) => {
      size += Math.ceil(columns / this.profile.workgroupSize);
      return size - Math.ceil(columns / this.profile.workgroupSize);
    };
    const bias = this.packed.layers.map((layer) => take(layer.columns));
    const cross = this.packed.layers.map((layer, at) =>
      this.layers[at].cross >= 0 ? take(layer.columns) : -1
    );
    return { size, bias, cross };
  }

  /** WGSL of the thread's sum for output `j`. */
  #rowSum(slot: number, layer: PackedLayer): string {
    const { workgroupSize } = this.profile;
    return `rowSums[${slot}u${layer.columns > workgroupSize ? ` + j / ${workgroupSize}u` : ""}]`;
  }

  /**
   * From the last layer's deltas (in its value rows; with a tangent, epsilon in its tangent rows)
   * back to the first layer, adding up the gradient. Hidden rows are overwritten by their deltas:
   *
   *     delta_l   = (W delta) * slope          epsilon_l = (W epsilon + V delta) * slope
   *                                                        + (W delta) * (tangent of slope)
   */
  backward(tile: TileBuilder, gradient: GradientBuilder): void {
    const { writer: w, width, threads } = tile;
    const slots = this.#rowSumSlots();
    const tanh = this.packed.spec.activation === "tanh";
    for (let at = this.packed.layers.length - 1; at >= 0; at--) {
      const layer = this.packed.layers[at];
      const rows = this.layers[at];
      gradient.add(at);
      w.line(`// bias${rows.cross >= 0 ? " and modulation" : ""} of layer ${at}`);
      w.spread("j", layer.columns, threads, () => {
        const bias = this.hasTangent ? rows.tangent : rows.value;
        w.line("var biasSum = vec4f();", ...(rows.cross >= 0 ? ["var crossSum = 0.0;"] : []));
        const groups = { variable: "group", from: "0u", to: `${width}u`, passes: width };
        w.loop(groups, () => {
          const place = (row: number) => tile.at(`${row}u + j`, "group");
          w.line(`biasSum += ${place(bias)};`);
          if (rows.cross < 0) return;
          w.line(`crossSum += dot(${place(rows.value)}, ${place(rows.cross)});`);
        });
        w.line(`${this.#rowSum(slots.bias[at], layer)} += dot(biasSum, vec4f(1.0));`);
        if (rows.cross >= 0) w.line(`${this.#rowSum(slots.cross[at], layer)} += crossSum;`);
      });
      tile.barrier();
      if (at === 0) break;
      const below = this.layers[at - 1];
      tile.product({
        comment: `back through layer ${at}`,
        depth: layer.columns,
        outputs: layer.rows,
        transposed: true,
        weights: {
          W: this.#weights("weights", layer.weights),
          ...(this.hasTangent ? { V: this.#weights("tangents", layer.weights) } : {}),
        },
        stride: layer.columns / 4,
        rows: {
          delta: rows.value,
          ...(this.hasTangent ? { epsilon: rows.tangent } : {}),
        },
        sums: [
          { name: "d", terms: [["W", "delta"]] },
          ...(this.hasTangent
            ? [{ name: "e", terms: [["W", "epsilon"], ["V", "delta"]] } as const]
            : []),
        ],
        store: (output, group, { d, e }) => {
          const place = (row: number) => tile.at(`${row}u + ${output}`, group);
          w.line(`let y = ${place(below.value)};`, "let s = slope(y);");
          if (this.hasTangent) {
            const curved = tanh ? ` - ${d} * 2.0 * y * ${place(below.tangent)}` : "";
            w.line(`${place(below.tangent)} = ${e} * s${curved};`);
          }
          w.line(`${place(below.value)} = ${d} * s;`);
        },
      });
      tile.barrier();
    }
  }

  /** Writes bias, cross, log std and statistics sums to the chunk's gradient row. */
  #finishSums(tile: TileBuilder): void {
    const { writer: w, threads } = tile;
    const slots = this.#rowSumSlots();
    const { packed } = this;
    const store = (index: string, value: string) =>
      w.line(`gradients[gradientBase + (${index}) / 4u][(${index}) % 4u] = ${value};`);
    packed.layers.forEach((layer, at) => {
      w.spread("j", layer.columns, threads, () => {
        store(`${layer.bias}u + j`, this.#rowSum(slots.bias[at], layer));
        if (slots.cross[at] >= 0) {
          store(`${layer.cross}u + j`, this.#rowSum(slots.cross[at], layer));
        }
      });
    });
    const { actDim } = packed.spec;
    const sumThreads = this.#sumThreads;
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
    return `${this.layers.at(-1)![kind]}u + ${a}`;
  }

  /** WGSL of (log std, 1 / std, above floor, tangent) of action `a` (an expression). */
  gaussian(name: "weights" | "tangents", a: string): string {
    return this.#weights(name, this.packed.gaussian).replace("*", a);
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

/** rows[m,:] = sum of the chunks' gradient rows, in their order. */
export function reduceRowsKernel(): Kernel {
  return buildKernel({
    name: "reduce_rows",
    sizes: "sizes at run time",
    header: [
      "out[m,p] = parts[m,0,p] + parts[m,1,p] + ..., in that order; overwrites out",
      "m row, p column; a unit is one part",
    ],
    bindings: [
      { name: "parts", access: "read", element: "f32" },
      { name: "out", access: "read_write", element: "f32" },
    ],
    scalars: ["width", "parts", "count"].map((name) => ({
      name: name === "parts" ? "numParts" : name,
      type: "u32",
    })),
    body: (w) => {
      elementMain(w, "args.count", () => {
        w.line(
          "var place = (index / args.width) * args.numParts * args.width + index % args.width;",
          "var sum = 0.0;",
        );
        w.block("for (var part = 0u; part < args.numParts; part++)", () => {
          w.line("sum += parts[place];", "place += args.width;");
        });
        w.line("out[index] = sum;");
      });
      return 1;
    },
  });
}

/** Memory that the chunks' gradient rows may take before chunks are made larger. */
export const MAX_GRADIENT_BYTES = 2 ** 25;

/**
 * Into how many chunks of how many tiles each task is cut.
 * @param gradFloats floats of a chunk's gradient row
 */
export function chunksOf(
  kernel: Kernel,
  tileSize: number,
  tasks: number,
  maxSamples: number,
  { profile, limits }: PlanContext,
  gradFloats = 0,
): { chunks: number; tilesPerChunk: number } {
  const tiles = Math.max(1, Math.ceil(maxSamples / tileSize));
  const busy = Math.ceil(profile.targetWorkgroups / Math.max(1, tasks));
  const affordable = Math.floor(MAX_GRADIENT_BYTES / Math.max(1, tasks * gradFloats * 4));
  const wanted = Math.max(1, Math.min(busy, affordable));
  const tilesPerChunk = Math.min(Math.ceil(tiles / wanted), unitsPerInvocation(kernel, limits));
  return { chunks: Math.ceil(tiles / tilesPerChunk), tilesPerChunk };
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
    grid: [chunks, tile.uniform ? 1 : tasks, 1],
    dynamicOffsets: tile.uniform ? range(tasks).map((m) => m * rowBytes) : undefined,
    units: tilesPerChunk,
  };
}

/** Adds up gradient rows [M, chunks, size]; the sums and, with several chunks, the launch. */
export function reduceDispatch(
  parts: GPUBufferBinding,
  tasks: number,
  chunks: number,
  width: number,
  slot: string,
  context: PlanContext,
): { rows: GPUBufferBinding; dispatches: Dispatch[] } {
  if (chunks === 1) return { rows: parts, dispatches: [] };
  const rows = context.scratch(slot, tasks * width);
  const dispatch: Dispatch = {
    kernel: context.kernel("reduce_rows", reduceRowsKernel),
    buffers: [parts, rows],
    scalars: [width, chunks, tasks * width],
    grid: elementGrid(tasks * width),
    units: chunks,
  };
  return { rows, dispatches: [dispatch] };
}
