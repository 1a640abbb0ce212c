/**
 * Gradients of weight matrices for devices whose loads are dear and whose variables are cheap
 * (llvmpipe, where a load costs as much as some 40 multiply-adds): a thread keeps the deltas of a
 * few columns in variables, all samples of the tile, and takes the rows one after the other. A
 * load of four samples of a row then serves all of these columns, and the columns' own sums, the
 * gradient of the bias, need none. The sums over the tiles are kept in the result.
 *
 * {@link GradientBuilder} does the same in blocks of sums for devices with registers to spare.
 */
import type { Gradient, OuterProduct, TileBuilder } from "./tile.ts";

/** Where the samples of an outer product are, in groups of four. */
export interface Samples {
  /** Groups of samples. */
  readonly groups: number;
  /** WGSL of the vec4f of row `row` (an expression) at sample group `group`. */
  readonly at: (row: string, group: number) => string;
  /** WGSL condition under which a group is there; absent: all are. */
  readonly present?: (group: number) => string | null;
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** {@link Gradient} with columns held in variables. */
export class HeldGradient implements Gradient {
  /**
   * @param result WGSL of the vec4 with index `*` of this chunk's gradient row
   * @param singleTile a chunk is one tile: what goes to the result is not summed there
   */
  constructor(
    readonly tile: TileBuilder,
    readonly products: readonly OuterProduct[],
    readonly result: string,
    readonly singleTile = false,
  ) {}

  declare(): void {}

  /** Zeros in the result; comes before the tile loop. */
  start(): void {
    if (this.singleTile) return;
    for (const product of this.products) {
      this.#columns(product, (columns) => {
        const zero = (place: string) => this.tile.writer.line(`${place} = vec4f();`);
        this.#first(product, () => columns.bias.forEach(zero));
        this.#rows(product, () => columns.gradient.forEach(zero));
      });
    }
  }

  /** Adds the samples, by default those of the tile, to the sums of product number `index`. */
  add(index: number, samples = this.#tileSamples()): void {
    const { writer: w } = this.tile;
    const { groups, at, present } = samples;
    const product = this.products[index];
    const { pairs, comment } = product;
    const store = this.singleTile ? "=" : "+=";
    const four = (value: (column: number) => string, j4: number) =>
      `vec4f(${range(4).map((part) => value(j4 * 4 + part)).join(", ")})`;
    this.#columns(product, ({ count, gradient, bias }) => {
      const held = (pair: number, column: number, group: number) =>
        `right${pair}_${column}_${group}`;
      pairs.forEach(([, right], pair) => {
        for (const group of range(groups)) {
          const condition = present?.(group) ?? null;
          for (const column of range(count)) {
            const value = at(`${right + column}u + j`, group);
            w.line(
              `let ${held(pair, column, group)} = ` +
                (condition === null ? `${value};` : `select(vec4f(), ${value}, ${condition});`),
            );
          }
        }
      });
      this.#first(product, () => {
        for (const column of range(count)) {
          const sum = range(groups).map((group) => held(0, column, group)).join(" + ");
          w.line(`let column${column} = dot(${sum}, vec4f(1.0));`);
        }
        bias.forEach((place, j4) =>
          w.line(`${place} ${store} ${four((column) => `column${column}`, j4)};`)
        );
      });
      this.#rows(product, () => {
        for (const column of range(count)) w.line(`var sum${column} = 0.0;`);
        for (const group of range(groups)) {
          w.block("", () => {
            pairs.forEach(([left], pair) => {
              w.line(`let left${pair} = ${at(`${left}u + i`, group)};`);
            });
            for (const column of range(count)) {
              const dots = pairs.map((_, pair) => `dot(left${pair}, ${held(pair, column, group)})`);
              w.line(`sum${column} += ${dots.join(" + ")};`);
            }
          });
        }
        gradient.forEach((place, j4) =>
          w.line(`${place} ${store} ${four((column) => `sum${column}`, j4)};`)
        );
      }, `${comment}: ${count} columns of ${groups * 4} samples held`);
    });
  }

  finish(): void {}

  #tileSamples(): Samples {
    const { tile } = this;
    return { groups: tile.width, at: (row, group) => tile.at(row, `${group}u`) };
  }

  /** Columns of one thread, and among how many threads their rows are dealt out. */
  #shape({ columns }: OuterProduct): { count: number; blocks: number; sharers: number } {
    const { threads, profile } = this.tile;
    const count = columns % profile.heldColumns === 0 ? profile.heldColumns : 4;
    const blocks = columns / count;
    return { count, blocks, sharers: Math.max(1, Math.floor(threads / blocks)) };
  }

  /** The thread's columns: `j` is the first, `firstRow` the first of its rows. */
  #columns(
    product: OuterProduct,
    body: (columns: { count: number; gradient: string[]; bias: string[] }) => void,
  ): void {
    const { writer: w, threads } = this.tile;
    const { count, blocks, sharers } = this.#shape(product);
    const place = (index: string) => this.result.replace("*", index);
    const fours = range(count / 4);
    w.spread("block", blocks * sharers, threads, () => {
      w.line(
        `let j = ${sharers > 1 ? `(block % ${blocks}u)` : "block"} * ${count}u;`,
        `let firstRow = ${sharers > 1 ? `block / ${blocks}u` : "0u"};`,
      );
      const row = `${product.place}u + i * ${product.columns / 4}u`;
      body({
        count,
        gradient: fours.map((j4) => place(`${row} + j / 4u + ${j4}u`)),
        bias: fours.map((j4) => place(`${product.bias}u + j / 4u + ${j4}u`)),
      });
    });
  }

  /** What one of the threads that share columns does alone. */
  #first(product: OuterProduct, body: () => void): void {
    const { sharers } = this.#shape(product);
    this.tile.writer.block(sharers > 1 ? "if (firstRow == 0u)" : "", body);
  }

  /** The thread's rows `i`. */
  #rows(product: OuterProduct, body: () => void, comment?: string): void {
    const { writer: w } = this.tile;
    const { sharers } = this.#shape(product);
    if (comment !== undefined) w.line(`// ${comment}`);
    const passes = Math.ceil(product.rows / sharers);
    const [from, to] = ["firstRow", `${product.rows}u`];
    if (passes > 1) {
      w.loop({ variable: "i", from, to, step: sharers, passes }, body);
      return;
    }
    w.block(sharers > product.rows ? `if (${from} < ${to})` : "", () => {
      w.line(`let i = ${from};`);
      body();
    });
  }
}
