/**
 * Building blocks of the tile kernels. A workgroup holds a tile of samples in workgroup memory,
 * feature-major: row f (one feature, unit or action) of `tileSize` samples as `tileSize / 4`
 * vec4f, `tile[f * width + g]` being samples 4g .. 4g+3. On it work
 *
 * - products: results[o,s] = bias[o] + sum_k weights[k,o] * rows[k,s] (or weights[o,k]), several
 *   sums at a time that share their loads;
 * - outer products: gradient[i,j] += sum_s left[i,s] * right[j,s].
 *
 * Each thread computes one block of results at a time with all sums in named variables; the block
 * shape is the one with the lowest estimated cost for the device's profile.
 */
import type { TileProfile } from "./profile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** Sums that a product computes side by side. */
export interface ProductSum {
  readonly name: string;
  /** Pairs (weights name, rows name) whose products are added up. */
  readonly terms: readonly (readonly [string, string])[];
  /** Weights name and vec4 at which the bias starts in it; absent: the sum starts at 0. */
  readonly bias?: readonly [string, number];
}

/** A product of weights with rows of the tile. */
export interface Product {
  /** Becomes the comment above the product. */
  readonly comment: string;
  /** Length of the sums, a multiple of 4. */
  readonly depth: number;
  /** Number of results per sample, a multiple of 4. */
  readonly outputs: number;
  /** `weights[o,k]` instead of `weights[k,o]`: the way back through a layer. */
  readonly transposed: boolean;
  /** WGSL function of a vec4 index by weights name, e.g. "weights[base + (*)]". */
  readonly weights: Readonly<Record<string, string>>;
  /** vec4s from one row of the weights to the next. */
  readonly stride: number;
  /** First tile row by rows name. */
  readonly rows: Readonly<Record<string, number>>;
  readonly sums: readonly ProductSum[];
  /**
   * Writes what becomes of four samples' results.
   * @param output WGSL expression of the output's number
   * @param group WGSL expression of the sample group's number
   * @param values variable of each sum by its name
   */
  readonly store: (output: string, group: string, values: Record<string, string>) => void;
}

/** gradient[i,j] += sum over pairs and samples of left[i,s] * right[j,s]. */
export interface OuterProduct {
  readonly comment: string;
  /** Extents of the gradient, multiples of 4. */
  readonly rows: number;
  readonly columns: number;
  /** First tile rows of left and right. */
  readonly pairs: readonly (readonly [number, number])[];
  /** vec4 of the gradient row at which [rows, columns] starts. */
  readonly place: number;
  /** vec4 at which the columns' own sums start (see held_gradient.ts). */
  readonly bias: number;
}

/**
 * Sums of several outer products over the tiles of a chunk: `declare` at module scope, `start`
 * before the tile loop, one `add` per product inside of it, `finish` behind it.
 */
export interface Gradient {
  declare(): void;
  start(): void;
  add(index: number): void;
  finish(): void;
}

/** Where gradients are summed over the tiles of a chunk. */
type GradientStore = "registers" | "private" | "result";

interface OuterBlocks extends OuterProduct {
  readonly blockRows: number;
  readonly blockColumns: number;
  readonly blocks: number;
  /** First vec4 of this product in the thread's accumulators. */
  readonly first: number;
}

const BLOCK_SIDES = [4, 8, 16, 32];
const BLOCK_GROUPS = [1, 2, 4, 8];

/** Generates products and outer products for one tile size. */
export class TileBuilder {
  /** vec4s of a tile row. */
  readonly width: number;
  readonly threads: number;

  constructor(
    readonly writer: WgslWriter,
    readonly profile: TileProfile,
    readonly tileSize: number,
  ) {
    this.width = tileSize / 4;
    this.threads = profile.workgroupSize;
  }

  /** WGSL of the vec4 of tile row `row` (an expression) at sample group `group`. */
  at(row: string | number, group: string): string {
    const first = typeof row === "number" ? `${row * this.width}u` : `(${row}) * ${this.width}u`;
    return `tile[${first} + ${group}]`;
  }

  /** WGSL of the number of tile row `row` (an expression) and sample `sample`. */
  scalarAt(row: string, sample: string): string {
    return `tile[(${row}) * ${this.width}u + ${sample} / 4u][${sample} % 4u]`;
  }

  /**
   * Splits a block's number into a row and a column of blocks: [row, column] as WGSL.
   * @param columns blocks side by side
   */
  split(columns: number, rows: number): [string, string] {
    if (columns === 1) return ["block", "0u"];
    return rows === 1 ? ["0u", "block"] : [`(block / ${columns}u)`, `(block % ${columns}u)`];
  }

  /** All threads wait until the tile is written. */
  barrier(): void {
    this.writer.line("workgroupBarrier();");
  }

  /** Loop steps to unroll: the fewest that make a body worth the loop's own cost. */
  unroll(steps: readonly number[], costPerStep: number, unrolledPerStep: number): number {
    const { bodyCost, maxUnrolled } = this.profile;
    const allowed = steps.filter((count) => count * unrolledPerStep <= maxUnrolled);
    return allowed.find((count) => count * costPerStep >= bodyCost) ?? allowed.at(-1) ?? steps[0];
  }

  #productBlock(product: Product): { outputs: number; groups: number; step: number } {
    const { cost, maxSums, maxUnrolled } = this.profile;
    const numWeights = Object.keys(product.weights).length;
    const numRows = Object.keys(product.rows).length;
    const numTerms = product.sums.reduce((count, sum) => count + sum.terms.length, 0);
    const steps = [1, 2, 4];
    let best = { outputs: 4, groups: 1, step: 4, cost: Infinity };
    for (const outputs of BLOCK_SIDES.filter((side) => product.outputs % side === 0)) {
      for (const groups of BLOCK_GROUPS.filter((count) => this.width % count === 0)) {
        const area = outputs * groups;
        const tooLarge = area * product.sums.length > maxSums ||
          area * numTerms * steps[0] > maxUnrolled;
        if (area > 4 && tooLarge) continue;
        const blocks = (product.outputs / outputs) * (this.width / groups);
        const perStep = numWeights * outputs / 4 * cost.weight + numRows * groups * cost.tile +
          numTerms * area * cost.multiplyAdd;
        const total = Math.ceil(blocks / this.threads) * perStep;
        if (total < best.cost) {
          const step = this.unroll(steps, perStep, area * numTerms);
          best = { outputs, groups, step, cost: total };
        }
      }
    }
    return best;
  }

  /** Writes a product; all threads must have passed a barrier since its rows were written. */
  product(product: Product): void {
    const { writer: w, width } = this;
    const { depth, transposed, stride, sums } = product;
    const block = this.#productBlock(product);
    const outputBlocks = product.outputs / block.outputs;
    const blocks = outputBlocks * (width / block.groups);
    const weightNames = Object.keys(product.weights);
    const rowNames = Object.keys(product.rows);
    const weight = (name: string, index: string) => product.weights[name].replace("*", index);
    const range = (count: number) => Array.from({ length: count }, (_, at) => at);
    const variable = (sum: string, output: number, group: number) => `${sum}${output}_${group}`;
    w.line(`// ${product.comment}: ${block.outputs} outputs x ${block.groups * 4} samples a block`);
    w.spread("block", blocks, this.threads, () => {
      const [groupBlock, outputBlock] = this.split(outputBlocks, width / block.groups);
      w.line(
        `let output = ${outputBlock} * ${block.outputs}u;`,
        `let group = ${groupBlock} * ${block.groups}u;`,
      );
      for (const { name, bias } of sums) {
        if (bias !== undefined) {
          for (const four of range(block.outputs / 4)) {
            const index = `${bias[1] + four}u + output / 4u`;
            w.line(`let ${name}Bias${four} = ${weight(bias[0], index)};`);
          }
        }
        for (const output of range(block.outputs)) {
          for (const group of range(block.groups)) {
            const start = bias === undefined
              ? "vec4f()"
              : `vec4f(${name}Bias${output >> 2}.${"xyzw"[output & 3]})`;
            w.line(`var ${variable(name, output, group)} = ${start};`);
          }
        }
      }
      const multiplyAdd = (
        output: number,
        weightAt: (name: string) => string,
        rowAt: (name: string, group: number) => string,
      ) => {
        for (const { name, terms } of sums) {
          for (const group of range(block.groups)) {
            const products = terms.map(([weights, rows]) =>
              `${weightAt(weights)} * ${rowAt(rows, group)}`
            );
            w.line(`${variable(name, output, group)} += ${products.join(" + ")};`);
          }
        }
      };
      const loadRows = (k: number, suffix: string) => {
        for (const name of rowNames) {
          for (const group of range(block.groups)) {
            const index = `(${product.rows[name] + k}u + k) * ${width}u + group + ${group}u`;
            w.line(`let ${name}${suffix}_${group} = tile[${index}];`);
          }
        }
      };
      const { step } = block;
      const passes = depth / step;
      w.loop({ variable: "k", from: "0u", to: `${depth}u`, step, passes }, () => {
        if (transposed) {
          for (const k of range(step)) loadRows(k, `${k}`);
          for (const output of range(block.outputs)) {
            const first = `(output + ${output}u) * ${stride}u`;
            for (const name of weightNames) {
              if (step === 4) {
                w.line(`let ${name}${output} = ${weight(name, `${first} + k / 4u`)};`);
                continue;
              }
              for (const k of range(step)) {
                const place = `${weight(name, `${first} + (k + ${k}u) / 4u`)}[(k + ${k}u) % 4u]`;
                w.line(`let ${name}${output}_${k} = ${place};`);
              }
            }
            for (const k of range(step)) {
              multiplyAdd(
                output,
                (name) => step === 4 ? `${name}${output}.${"xyzw"[k]}` : `${name}${output}_${k}`,
                (name, group) => `${name}${k}_${group}`,
              );
            }
          }
          return;
        }
        for (const k of range(step)) {
          loadRows(k, `${k}`);
          for (const four of range(block.outputs / 4)) {
            for (const name of weightNames) {
              const index = `(k + ${k}u) * ${stride}u + output / 4u + ${four}u`;
              w.line(`let ${name}${k}_${four} = ${weight(name, index)};`);
            }
            for (const component of range(4)) {
              multiplyAdd(
                four * 4 + component,
                (name) => `${name}${k}_${four}.${"xyzw"[component]}`,
                (name, group) => `${name}${k}_${group}`,
              );
            }
          }
        }
      });
      for (const output of range(block.outputs)) {
        for (const group of range(block.groups)) {
          const values = Object.fromEntries(
            sums.map(({ name }) => [name, variable(name, output, group)]),
          );
          w.block("", () => product.store(`output + ${output}u`, `group + ${group}u`, values));
        }
      }
    });
  }
}

/** {@link Gradient} in blocks of sums; see held_gradient.ts for the other way. */
export class GradientBuilder implements Gradient {
  readonly #products: OuterBlocks[] = [];
  readonly #store: GradientStore;
  readonly #accumulators: number;

  /**
   * @param result WGSL of the vec4 with index `*` of this chunk's gradient row
   * @param singleTile a chunk is one tile: what goes to the result is not summed there
   */
  constructor(
    readonly tile: TileBuilder,
    products: readonly OuterProduct[],
    readonly result: string,
    readonly singleTile = false,
  ) {
    const { profile, threads } = tile;
    let first = 0;
    for (const product of products) {
      const block = this.#block(product);
      const blocks = (product.rows / block.blockRows) * (product.columns / block.blockColumns);
      this.#products.push({ ...product, ...block, blocks, first });
      first += Math.ceil(blocks / threads) * block.blockRows * block.blockColumns / 4;
    }
    this.#accumulators = first;
    this.#store = first * 4 <= profile.maxRegisterGradients
      ? "registers"
      : first * 4 <= profile.maxPrivateGradients
      ? "private"
      : "result";
  }

  #block(product: OuterProduct): { blockRows: number; blockColumns: number } {
    const { profile, threads, width } = this.tile;
    const { cost, maxOuter, maxUnrolled } = profile;
    const pairs = product.pairs.length;
    let best = { blockRows: 4, blockColumns: 4, cost: Infinity };
    for (const blockRows of BLOCK_SIDES.filter((side) => product.rows % side === 0)) {
      for (const blockColumns of BLOCK_SIDES.filter((side) => product.columns % side === 0)) {
        const area = blockRows * blockColumns;
        if (area > 16 && (area > maxOuter || area * pairs > maxUnrolled)) continue;
        const blocks = (product.rows / blockRows) * (product.columns / blockColumns);
        const perStep = pairs * ((blockRows + blockColumns) * cost.tile + area * cost.multiplyAdd);
        const total = Math.ceil(blocks / threads) * (perStep + area * cost.weight / width);
        if (total < best.cost) best = { blockRows, blockColumns, cost: total };
      }
    }
    return best;
  }

  /** Module-scope declarations. */
  declare(): void {
    if (this.#store === "private") {
      const { writer: w } = this.tile;
      w.line(`var<private> gradient: array<vec4f, ${this.#accumulators}>;`);
    }
  }

  /** Writes the sums' zeros; comes before the tile loop. */
  start(): void {
    const { writer: w } = this.tile;
    if (this.#store === "registers") {
      for (let at = 0; at < this.#accumulators; at++) w.line(`var gradient${at} = vec4f();`);
    } else if (this.#store === "result" && !this.singleTile) {
      for (const product of this.#products) {
        this.#blocks(product, (_sum, place) => w.line(`${place} = vec4f();`));
      }
    }
  }

  /** Adds the tile to the sums of product number `index`. */
  add(index: number): void {
    const { writer: w, width } = this.tile;
    const product = this.#products[index];
    const { blockRows, blockColumns, pairs } = product;
    const { cost } = this.tile.profile;
    const area = blockRows * blockColumns * pairs.length;
    const step = this.tile.unroll(
      [1, 2, 4, 8].filter((count) => width % count === 0),
      pairs.length * (blockRows + blockColumns) * cost.tile + area * cost.multiplyAdd,
      area,
    );
    w.line(`// ${product.comment}: ${blockRows} x ${blockColumns} a block`);
    const sums = (body: (name: string, i: number, j: number) => void) => {
      for (let i = 0; i < blockRows; i++) {
        for (let j = 0; j < blockColumns; j++) body(`sum${i}_${j}`, i, j);
      }
    };
    this.#blocks(product, (sum, place, i, j4) => {
      const values = [0, 1, 2, 3].map((part) => `sum${i}_${j4 * 4 + part}`).join(", ");
      if (this.#store !== "result") w.line(`${sum} += vec4f(${values});`);
      else w.line(`${place} ${this.singleTile ? "=" : "+="} vec4f(${values});`);
    }, () => {
      sums((name) => w.line(`var ${name} = 0.0;`));
      const head = { variable: "group", from: "0u", to: `${width}u`, step, passes: width / step };
      w.loop(head, () => {
        for (let unrolled = 0; unrolled < step; unrolled++) {
          w.block("", () => {
            const row = (first: number, variable: string, at: number) =>
              `tile[(${first + at}u + ${variable}) * ${width}u + group + ${unrolled}u]`;
            pairs.forEach(([left, right], pair) => {
              for (let i = 0; i < blockRows; i++) {
                w.line(`let left${pair}_${i} = ${row(left, "i", i)};`);
              }
              for (let j = 0; j < blockColumns; j++) {
                w.line(`let right${pair}_${j} = ${row(right, "j", j)};`);
              }
            });
            sums((name, i, j) => {
              const dots = pairs.map((_, pair) => `dot(left${pair}_${i}, right${pair}_${j})`);
              w.line(`${name} += ${dots.join(" + ")};`);
            });
          });
        }
      });
    });
  }

  /** Writes the sums to the gradient row; comes behind the tile loop. */
  finish(): void {
    if (this.#store === "result") return;
    for (const product of this.#products) {
      this.#blocks(product, (sum, place) => this.tile.writer.line(`${place} = ${sum};`));
    }
  }

  /** The thread's blocks: `before` once per block, then `each` for every vec4 of it. */
  #blocks(
    product: OuterBlocks,
    each: (sum: string, place: string, i: number, j4: number) => void,
    before?: () => void,
  ): void {
    const { writer: w, threads } = this.tile;
    const { blockRows, blockColumns, blocks, columns, first } = product;
    const columnBlocks = columns / blockColumns;
    const perBlock = blockRows * blockColumns / 4;
    const body = (sumAt: (offset: number) => string) => {
      const [row, column] = this.tile.split(columnBlocks, blocks / columnBlocks);
      w.line(`let i = ${row} * ${blockRows}u;`, `let j = ${column} * ${blockColumns}u;`);
      before?.();
      for (let i = 0; i < blockRows; i++) {
        for (let j4 = 0; j4 < blockColumns / 4; j4++) {
          const index = `${product.place}u + (i + ${i}u) * ${columns / 4}u + j / 4u + ${j4}u`;
          const offset = i * (blockColumns / 4) + j4;
          each(sumAt(offset), this.result.replace("*", index), i, j4);
        }
      }
    };
    if (this.#store !== "registers") {
      w.spread("block", blocks, threads, () => {
        const pass = blocks > threads ? ` + (block / ${threads}u) * ${perBlock}u` : "";
        body((offset) => `gradient[${first + offset}u${pass}]`);
      });
      return;
    }
    for (let pass = 0; pass * threads < blocks; pass++) {
      w.block(
        (pass + 1) * threads <= blocks ? "" : `if (lid + ${pass * threads}u < ${blocks}u)`,
        () => {
          w.line(`let block = lid + ${pass * threads}u;`);
          body((offset) => `gradient${first + pass * perBlock + offset}`);
        },
      );
    }
  }
}
