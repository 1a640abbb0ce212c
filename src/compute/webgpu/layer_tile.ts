/**
 * A network's layers on a tile of samples: which rows of the tile hold what, the forward pass
 * (with its tangent where asked for), the way back through the layers with the gradient's sums,
 * and the thread's sums for the biases. The kernels of policies and of dynamics models add what
 * comes in front of the first layer and behind the last.
 *
 * Axis letters: s sample of the tile, i input and j output of a layer.
 */
import type { Activation } from "../layout.ts";
import { HeldGradient } from "./held_gradient.ts";
import type { BindingDecl, KernelLimits } from "./kernel.ts";
import type { TileProfile } from "./profile.ts";
import {
  type Gradient,
  GradientBuilder,
  type OuterProduct,
  type ProductSum,
  TileBuilder,
} from "./tile.ts";
import { declareExp, declareTanh } from "./wgsl_math.ts";
import type { WgslWriter } from "./wgsl_writer.ts";
import { RunError } from "../../util/errors.ts";

/** A matrix side in whole vec4s; wide ones in pairs of them, so that larger blocks divide it. */
export function padded(width: number): number {
  return width <= 12 ? Math.ceil(width / 4) * 4 : Math.ceil(width / 8) * 8;
}

/** Sizes of a layer and its place in the packed row and in the gradient row, in floats. */
export interface PackedLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Padded sides. */
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns] */
  readonly weights: number;
  /** [columns] */
  readonly bias: number;
}

/** Rows of one layer's results in the tile; hidden layers end up holding deltas. */
interface LayerRows {
  readonly value: number;
  /** Derivative in the direction of the tangent; -1 where there is none. */
  readonly tangent: number;
  /** input * V + its bias, the part of the tangent that FiLM scales; -1 where not wanted. */
  readonly cross: number;
}

/** Variant of a tile kernel. */
export interface LayerTileOptions {
  /** What is to fit, for messages: "a policy of sizes 4-64-2 tanh". */
  readonly network: string;
  readonly layers: readonly PackedLayer[];
  readonly activation: Activation;
  /** Floats of a packed row. */
  readonly packedSize: number;
  readonly profile: TileProfile;
  readonly limits: KernelLimits;
  /** Carry a tangent through forward and backward pass. */
  readonly tangent: boolean;
  /** Sum delta * cross per hidden unit, for the derivative to the modulation. */
  readonly cross: boolean;
  /** The kernel goes back through the layers and sums gradients. */
  readonly backward: boolean;
  /** A chunk is one tile; by default it may be several. */
  readonly singleTile?: boolean;
  /** Numbers that are summed over the threads at the end, by way of the tile. */
  readonly sums: number;
  /** Rows behind those of the layers, for the kernel's own use. */
  readonly extraRows?: number;
}

/** Generator of the parts that networks have in common. */
export abstract class LayerTile {
  readonly profile: TileProfile;
  readonly tileSize: number;
  readonly rows: readonly LayerRows[];
  /** First of the extra rows. */
  readonly extraRow: number;
  readonly hasTangent: boolean;
  /** Whether a packed row is a uniform buffer. */
  readonly uniform: boolean;
  /** vec4s of workgroup memory. */
  protected readonly tileVectors: number;
  protected readonly options: LayerTileOptions;

  constructor(options: LayerTileOptions) {
    const { profile, limits } = options;
    this.options = options;
    this.profile = profile;
    this.hasTangent = options.tangent;
    this.uniform = profile.weightSource === "uniform" &&
      options.packedSize * 4 <= limits.uniformBytes;
    const placed = placeRows(options);
    this.rows = placed.rows;
    this.extraRow = placed.count;
    const count = placed.count + (options.extraRows ?? 0);
    const vectors = (tileSize: number) => {
      const sums = Math.ceil(options.sums * this.sumThreads(tileSize) / 4);
      return Math.max(count * tileSize / 4, sums);
    };
    const tileSize = profile.tileSizes.find((size) => vectors(size) * 16 <= limits.workgroupBytes);
    if (tileSize === undefined) {
      throw new RunError(
        "workgroup-memory",
        `Cannot fit ${options.network} into the GPU's ` +
          `workgroup memory: ${vectors(profile.tileSizes.at(-1)!) * 16} bytes are needed, ` +
          `${limits.workgroupBytes} are there; take smaller layers or --device cpu`,
      );
    }
    this.tileSize = tileSize;
    this.tileVectors = vectors(tileSize);
  }

  /** WGSL of the vec4 with index `*` of the weights or tangents, `first` floats in. */
  protected weights(name: "weights" | "tangents", first: number): string {
    return `${name}[${first / 4}u + *]`;
  }

  /** Binding of the packed row of a single network. */
  weightBinding(): BindingDecl {
    const length = this.options.packedSize / 4;
    return this.uniform
      ? { name: "weights", access: "uniform", element: "vec4f", length }
      : { name: "weights", access: "read", element: "vec4f" };
  }

  /** Buffer of {@link weightBinding}. */
  weightBuffer({ buffer }: GPUBufferBinding): GPUBufferBinding {
    return { buffer, offset: 0, size: this.options.packedSize * 4 };
  }

  /** Threads that hold a part of the numbers that are summed at the end. */
  protected abstract sumThreads(tileSize: number): number;

  /** Builders of a kernel's tile and, where it goes back, of its gradient. */
  protected builders(w: WgslWriter): { tile: TileBuilder; gradient: Gradient } {
    const tile = new TileBuilder(w, this.profile, this.tileSize);
    const products = this.options.backward
      ? this.options.layers.map((layer, at) => this.#outerProduct(layer, at))
      : [];
    const place = "gradients[gradientBase + *]";
    const singleTile = this.options.singleTile ?? false;
    const Builder = this.profile.heldColumns > 0 ? HeldGradient : GradientBuilder;
    return { tile, gradient: new Builder(tile, products, place, singleTile) };
  }

  /** Declares the tile, the thread's sums and the nonlinearity. */
  protected declare(w: WgslWriter): void {
    w.line(`var<workgroup> tile: array<vec4f, ${this.tileVectors}>;`);
    const { size } = this.#rowSumSlots();
    if (this.options.backward && size > 0) w.line(`var<private> rowSums: array<f32, ${size}>;`);
  }

  /** Hidden layers' nonlinearity and, from its result, its slope. */
  protected declareActivation(w: WgslWriter, outputTanh = false): void {
    const tanh = this.options.activation === "tanh";
    declareExp(w);
    if (tanh || outputTanh) declareTanh(w);
    w.block("fn activate(u: vec4f) -> vec4f", () => {
      if (tanh) {
        w.line("return tanh4(u);");
      } else {
        w.line("return select(u, vec4f(), u < vec4f());");
      }
    });
    if (!this.options.backward) return;
    w.block("fn slope(y: vec4f) -> vec4f", () => {
      w.line(tanh ? "return 1.0 - y * y;" : "return select(vec4f(1.0), vec4f(), y <= vec4f());");
    });
  }

  /** All layers, from the rows at 0 on. Ends with a barrier. */
  forward(tile: TileBuilder): void {
    const { writer: w } = tile;
    const { layers } = this.options;
    layers.forEach((layer, at) => {
      const hidden = at < layers.length - 1;
      const rows = this.rows[at];
      const [value, tangent] = at === 0
        ? [0, -1]
        : [this.rows[at - 1].value, this.rows[at - 1].tangent];
      const biasAt = (layer.bias - layer.weights) / 4;
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
          W: this.weights("weights", layer.weights),
          ...(this.hasTangent ? { V: this.weights("tangents", layer.weights) } : {}),
        },
        stride: layer.columns / 4,
        rows: { x: value, ...(this.hasTangent && at > 0 ? { dx: tangent } : {}) },
        sums,
        store: (output, group, { u, c, t }) => {
          if (rows.cross >= 0) w.line(`${tile.at(`${rows.cross}u + ${output}`, group)} = ${c};`);
          const tangentSum = [t, c].filter((name) => name !== undefined).join(" + ");
          const place = (row: number) => tile.at(`${row}u + ${output}`, group);
          if (hidden) {
            w.line(`let y = activate(${u});`, `${place(rows.value)} = y;`);
            if (this.hasTangent) w.line(`${place(rows.tangent)} = slope(y) * (${tangentSum});`);
            return;
          }
          w.line(`${place(rows.value)} = ${u};`);
          if (this.hasTangent) w.line(`${place(rows.tangent)} = ${tangentSum};`);
        },
      });
      tile.barrier();
    });
  }

  /** Layer's gradient: from its inputs and the deltas (and tangents) of its outputs. */
  #outerProduct(layer: PackedLayer, at: number): OuterProduct {
    const rows = this.rows[at];
    const input = at === 0 ? { value: 0, tangent: -1 } : this.rows[at - 1];
    // with a tangent: X = input^T epsilon + (tangent of input)^T delta
    const pairs: [number, number][] = [[input.value, this.hasTangent ? rows.tangent : rows.value]];
    if (this.hasTangent && at > 0) pairs.push([input.tangent, rows.value]);
    return {
      comment: `gradient of layer ${at}`,
      rows: layer.rows,
      columns: layer.columns,
      pairs,
      place: layer.weights / 4,
      bias: layer.bias / 4,
    };
  }

  /** Whether the gradient's sums include those for the biases. */
  get #gradientHasBiases(): boolean {
    return this.profile.heldColumns > 0;
  }

  /** First slot of each layer's bias and cross sums in the thread's `rowSums`, -1: none. */
  #rowSumSlots(): { size: number; bias: number[]; cross: number[] } {
    const { layers, profile } = this.options;
    let size = 0;
    const take = (columns: number) => {
      size += Math.ceil(columns / profile.workgroupSize);
      return size - Math.ceil(columns / profile.workgroupSize);
    };
    const bias = layers.map((layer) => this.#gradientHasBiases ? -1 : take(layer.columns));
    const cross = layers.map((layer, at) => this.rows[at].cross >= 0 ? take(layer.columns) : -1);
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
  backward(tile: TileBuilder, gradient: Gradient): void {
    const { writer: w, width, threads } = tile;
    const slots = this.#rowSumSlots();
    const { layers } = this.options;
    const tanh = this.options.activation === "tanh";
    for (let at = layers.length - 1; at >= 0; at--) {
      const layer = layers[at];
      const rows = this.rows[at];
      gradient.add(at);
      const [bias, cross] = [slots.bias[at], slots.cross[at]];
      if (bias >= 0 || cross >= 0) {
        const sums = [...(bias >= 0 ? ["bias"] : []), ...(cross >= 0 ? ["modulation"] : [])];
        w.line(`// ${sums.join(" and ")} of layer ${at}`);
        w.spread("j", layer.columns, threads, () => {
          if (bias >= 0) w.line("var biasSum = vec4f();");
          if (cross >= 0) w.line("var crossSum = 0.0;");
          const groups = { variable: "group", from: "0u", to: `${width}u`, passes: width };
          w.loop(groups, () => {
            const place = (row: number) => tile.at(`${row}u + j`, "group");
            if (bias >= 0) {
              w.line(`biasSum += ${place(this.hasTangent ? rows.tangent : rows.value)};`);
            }
            if (cross >= 0) w.line(`crossSum += dot(${place(rows.value)}, ${place(rows.cross)});`);
          });
          if (bias >= 0) w.line(`${this.#rowSum(bias, layer)} += dot(biasSum, vec4f(1.0));`);
          if (cross >= 0) w.line(`${this.#rowSum(cross, layer)} += crossSum;`);
        });
      }
      tile.barrier();
      if (at === 0) break;
      const below = this.rows[at - 1];
      tile.product({
        comment: `back through layer ${at}`,
        depth: layer.columns,
        outputs: layer.rows,
        transposed: true,
        weights: {
          W: this.weights("weights", layer.weights),
          ...(this.hasTangent ? { V: this.weights("tangents", layer.weights) } : {}),
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

  /**
   * Writes the thread's row sums to the chunk's gradient row; comes behind the last tile.
   * @param cross place of each layer's cross sums in the gradient row, where there are any
   */
  protected finishRowSums(tile: TileBuilder, cross?: readonly number[]): void {
    const { writer: w, threads } = tile;
    const slots = this.#rowSumSlots();
    this.options.layers.forEach((layer, at) => {
      if (slots.bias[at] < 0 && slots.cross[at] < 0) return;
      w.spread("j", layer.columns, threads, () => {
        const store = (first: number, slot: number) => {
          const index = `(${first}u + j)`;
          const place = `gradients[gradientBase + ${index} / 4u][${index} % 4u]`;
          w.line(`${place} = ${this.#rowSum(slot, layer)};`);
        };
        if (slots.bias[at] >= 0) store(layer.bias, slots.bias[at]);
        if (slots.cross[at] >= 0) store(cross![at], slots.cross[at]);
      });
    });
  }
}

/**
 * Rows of the tile: the inputs at 0, then every layer's results. Without a way back, hidden layers
 * take turns in two sets of rows; inputs and outputs keep theirs.
 */
function placeRows(
  { layers, tangent, cross, backward }: LayerTileOptions,
): { rows: LayerRows[]; count: number } {
  const last = layers.length - 1;
  let count = layers[0].rows;
  const take = (columns: number) => {
    count += columns;
    return count - columns;
  };
  if (backward) {
    const rows = layers.map(({ columns }, at) => ({
      value: take(columns),
      tangent: tangent ? take(columns) : -1,
      cross: cross && at < last ? take(columns) : -1,
    }));
    return { rows, count };
  }
  const widest = (parity: number) =>
    Math.max(
      0,
      ...layers.slice(0, last).filter((_, at) => at % 2 === parity).map((l) => l.columns),
    );
  const turns = [take(widest(0)), take(widest(1))];
  const output = take(layers[last].columns);
  const rows = layers.map((_, at) => ({
    ...{ value: at === last ? output : turns[at % 2], tangent: -1, cross: -1 },
  }));
  return { rows, count };
}
