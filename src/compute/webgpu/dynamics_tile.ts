/**
 * What the kernels on rows of a dynamics model share: forward, errors, gradient and training. A
 * workgroup works on one chunk of the rows and goes through its tiles; the embedding is part of
 * the first layer's input. Each chunk writes what it has summed, and the chunks' parts are added
 * in their order, so results do not depend on which workgroup finishes first.
 *
 * Axis letters: n row, s row of the tile, i input and o output of the model, e embedding.
 */
import type { KernelLimits, ScalarDecl } from "./kernel.ts";
import { LayerTile } from "./layer_tile.ts";
import { dynamicsSizes, type PackedDynamics } from "./dynamics_packing.ts";
import type { TileProfile } from "./profile.ts";
import type { Gradient, TileBuilder } from "./tile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** A number as a WGSL literal. */
const literal = (value: number) => Number.isInteger(value) ? value.toFixed(1) : `${value}`;

/** Declares a dynamics model's last nonlinearity: `outputOf`, tanh within a limit if there is one. */
export function declareOutput(w: WgslWriter, limit: number | null): void {
  w.block("fn outputOf(u: vec4f) -> vec4f", () => {
    w.line(limit === null ? "return u;" : `return tanh4(u) * ${literal(limit)};`);
  });
}

/** Declares its slope from its result, `outputSlope`. */
export function declareOutputSlope(w: WgslWriter, limit: number | null): void {
  w.block("fn outputSlope(f: vec4f) -> vec4f", () => {
    w.line(
      limit === null
        ? "return vec4f(1.0);"
        : `return ${literal(limit)} - f * f / ${literal(limit)};`,
    );
  });
}

/** Where a kernel finds its rows and their situations. */
export interface RowSource {
  /** WGSL of the place of row `n` in `inputs` and `targets`. */
  readonly row: string;
  /** WGSL of the situation of row `n`; `null`: it is the workgroup's number along y. */
  readonly situation: string | null;
  /** All rows of a workgroup have the same situation. */
  readonly single: boolean;
}

/** Rows as they come, each with its own situation. */
export const ROWS_WITH_SITUATIONS: RowSource = {
  row: "n",
  situation: "situations[n]",
  single: false,
};

/** Variant of a kernel on rows. */
export interface DynamicsTileOptions {
  readonly packed: PackedDynamics;
  readonly profile: TileProfile;
  readonly limits: KernelLimits;
  readonly source: RowSource;
  /** The kernel goes back through the layers and sums gradients. */
  readonly backward: boolean;
  /** A chunk is one tile; by default it may be several. */
  readonly singleTile?: boolean;
}

/** Generator of the common parts of the kernels on rows. */
export class DynamicsTile extends LayerTile {
  readonly packed: PackedDynamics;
  readonly #source: RowSource;

  constructor(options: DynamicsTileOptions) {
    const { packed, profile } = options;
    // minibatches are small: more held columns compile longer than they save
    const heldColumns = Math.min(profile.heldColumns, 4);
    super({
      ...options,
      profile: { ...profile, heldColumns },
      network: `a dynamics model of sizes ${dynamicsSizes(packed.spec)}`,
      layers: packed.layers,
      activation: packed.spec.activation,
      packedSize: packed.size,
      tangent: false,
      cross: false,
      sums: 1,
    });
    this.packed = packed;
    this.#source = options.source;
  }

  protected override sumThreads(): number {
    return this.profile.workgroupSize;
  }

  /** Scalars of every kernel on rows; the kernel's own follow. */
  scalars(): ScalarDecl[] {
    return ["count", "tilesPerChunk"].map((name) => ({ name, type: "u32" }));
  }

  /**
   * Declarations and `main`.
   * @param parts `tile` writes what happens to one tile, `finish` what follows after the last
   * @returns loop iterations of one tile
   */
  main(
    w: WgslWriter,
    parts: {
      readonly tile: (tile: TileBuilder, gradient: Gradient) => void;
      readonly finish: (tile: TileBuilder) => void;
    },
  ): number {
    const { packed, tileSize } = this;
    const { backward } = this.options;
    const { tile, gradient } = this.builders(w);
    this.declare(w);
    w.line("var<private> errorSum: f32;");
    if (this.#source.situation === null) w.line("var<private> ownSituation: u32;");
    if (backward) gradient.declare();
    this.declareActivation(w, packed.spec.outputLimit !== null);
    declareOutput(w, packed.spec.outputLimit);
    if (backward) declareOutputSlope(w, packed.spec.outputLimit);
    this.#declareInput(w);
    let perTile = 0;
    w.line(`@compute @workgroup_size(${this.profile.workgroupSize})`);
    w.block(
      "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lid: u32)",
      () => {
        const tiles = `(args.count + ${tileSize - 1}u) / ${tileSize}u`;
        if (this.#source.situation === null) w.line("ownSituation = workgroup.y;");
        w.line(
          "let firstTile = workgroup.x * args.tilesPerChunk;",
          `let endTile = min(firstTile + args.tilesPerChunk, ${tiles});`,
        );
        if (backward) {
          w.line(`let gradientBase = workgroup.x * ${packed.gradSize / 4}u;`);
          this.#clearEmbeddings(tile);
          gradient.start();
        }
        const head = { variable: "at", from: "firstTile", to: "endTile", passes: 0 };
        perTile = w.loop(head, () => {
          w.line(`let firstRow = at * ${tileSize}u;`);
          this.#loadInputs(tile);
          this.forward(tile);
          parts.tile(tile, gradient);
        });
        if (backward) {
          gradient.finish();
          this.finishRowSums(tile);
        }
        parts.finish(tile);
      },
    );
    return perTile;
  }

  /** Row i of the first layer's input for row n: state and action, embedding, padding. */
  #declareInput(w: WgslWriter): void {
    const { inputDim, embeddingDim } = this.packed.spec;
    w.block("fn rowOf(n: u32) -> u32", () => w.line(`return ${this.#source.row};`));
    if (embeddingDim > 0) {
      w.block("fn situationOf(n: u32) -> u32", () => {
        w.line(`return ${this.#source.situation ?? "ownSituation"};`);
      });
    }
    w.block("fn inputOf(i: u32, n: u32) -> f32", () => {
      w.line(`if (i < ${inputDim}u) { return inputs[rowOf(n) * ${inputDim}u + i]; }`);
      if (embeddingDim > 0) {
        w.block(`if (i < ${inputDim + embeddingDim}u)`, () => {
          w.line(
            `let place = situationOf(n) * ${embeddingDim}u + i - ${inputDim}u;`,
            "return weights[place / 4u][place % 4u];",
          );
        });
      }
      w.line("return 0.0;");
    });
  }

  /** Inputs of the tile's rows, zero behind the last one. */
  #loadInputs(tile: TileBuilder): void {
    const { writer: w, width, threads } = tile;
    const { rows } = this.packed.layers[0];
    w.line("// inputs");
    w.spread("element", rows * width, threads, () => {
      w.line(
        `let i = element % ${rows}u;`,
        `let group = element / ${rows}u;`,
        "let n = firstRow + group * 4u;",
        "var x = vec4f();",
      );
      for (const [part, axis] of [..."xyzw"].entries()) {
        w.line(`if (n + ${part}u < args.count) { x.${axis} = inputOf(i, n + ${part}u); }`);
      }
      w.line(`${tile.at("i", "group")} = x;`);
    });
    tile.barrier();
  }

  /**
   * For every output o < Y and four rows: `f`, the model's outputs, and what `body` makes of them;
   * `o`, `group` and `n`, the first of the rows, are there. `inside` tells whether a row exists.
   */
  eachOutput(
    tile: TileBuilder,
    body: (place: string, inside: (part: number) => string) => void,
  ): void {
    const { writer: w, width, threads } = tile;
    const { outputDim } = this.packed.spec;
    const place = tile.at(`${this.rows.at(-1)!.value}u + o`, "group");
    w.spread("element", outputDim * width, threads, () => {
      w.line(
        `let o = element % ${outputDim}u;`,
        `let group = element / ${outputDim}u;`,
        "let n = firstRow + group * 4u;",
        `let f = outputOf(${place});`,
      );
      body(place, (part) => `n + ${part}u < args.count`);
    });
    tile.barrier();
  }

  /** Adds the squared errors of the tile to errorSum and, where wanted, writes the deltas. */
  addErrors(tile: TileBuilder): void {
    const { writer: w } = tile;
    const { outputDim } = this.packed.spec;
    w.line(`// squared errors${this.options.backward ? "; deltas overwrite the outputs" : ""}`);
    this.eachOutput(tile, (place, inside) => {
      w.line("var error = vec4f();");
      for (const [part, axis] of [..."xyzw"].entries()) {
        const target = `targets[rowOf(n + ${part}u) * ${outputDim}u + o]`;
        w.line(`if (${inside(part)}) { error.${axis} = f.${axis} - ${target}; }`);
      }
      w.line("errorSum += dot(error, error);");
      if (this.options.backward) w.line(`${place} = 2.0 * error * outputSlope(f);`);
    });
  }

  /** Stores the sum of all threads' errorSum, in their order. */
  storeErrors(tile: TileBuilder, place: string): void {
    const { writer: w, threads } = tile;
    w.line("// the sum of all threads, by way of the tile");
    tile.barrier();
    w.line("tile[lid / 4u][lid % 4u] = errorSum;");
    tile.barrier();
    w.block("if (lid == 0u)", () => {
      w.line("var sum = 0.0;");
      w.loop({ variable: "thread", to: `${threads}u`, passes: threads }, () => {
        w.line("sum += tile[thread / 4u][thread % 4u];");
      });
      w.line(`${place} = sum;`);
    });
  }

  /** WGSL of the number at `at` of this chunk's gradient row. */
  #gradientAt(at: string): string {
    return `gradients[gradientBase + (${at}) / 4u][(${at}) % 4u]`;
  }

  /** Zeros for the gradient of the embeddings, which only the tiles' situations add to. */
  #clearEmbeddings(tile: TileBuilder): void {
    const { writer: w, threads } = tile;
    const { situations, embeddingDim } = this.packed.spec;
    if (embeddingDim === 0) return;
    // the thread that adds to column e later
    w.spread("e", embeddingDim, threads, () => {
      w.loop({ variable: "g", to: `${situations}u`, passes: situations }, () => {
        w.line(`${this.#gradientAt(`g * ${embeddingDim}u + e`)} = 0.0;`);
      });
    });
  }

  /** Back to the embeddings, behind {@link backward}: their deltas overwrite the inputs. */
  backToEmbeddings(tile: TileBuilder): void {
    const { writer: w, width, threads, tileSize } = tile;
    const { inputDim, embeddingDim } = this.packed.spec;
    if (embeddingDim === 0) return;
    const [layer] = this.packed.layers;
    tile.product({
      comment: "back to the embeddings",
      depth: layer.columns,
      outputs: Math.ceil(embeddingDim / 4) * 4,
      transposed: true,
      weights: { W: this.weights("weights", layer.weights + inputDim * layer.columns) },
      stride: layer.columns / 4,
      rows: { delta: this.rows[0].value },
      sums: [{ name: "d", terms: [["W", "delta"]] }],
      store: (output, group, { d }) => {
        w.line(`${tile.at(`${inputDim}u + ${output}`, group)} = ${d};`);
      },
    });
    tile.barrier();
    w.spread("e", embeddingDim, threads, () => {
      if (this.#source.single) {
        w.line("var sum = vec4f();");
        w.loop({ variable: "group", to: `${width}u`, passes: width }, () => {
          w.line(`sum += ${tile.at(`${inputDim}u + e`, "group")};`);
        });
        const place = this.#gradientAt(`situationOf(0u) * ${embeddingDim}u + e`);
        w.line(`${place} += dot(sum, vec4f(1.0));`);
        return;
      }
      const rows = `min(${tileSize}u, args.count - firstRow)`;
      w.loop({ variable: "s", to: rows, passes: tileSize }, () => {
        const place = this.#gradientAt(`situationOf(firstRow + s) * ${embeddingDim}u + e`);
        w.line(`${place} += ${tile.scalarAt(`${inputDim}u + e`, "s")};`);
      });
    });
    tile.barrier();
  }
}
