/**
 * GRU weights as the recurrent kernels want them. The step is two products,
 *
 *     [r z] = hs([h x] A + a)        c = tanh([x r*h] B + b)
 *
 * so A holds recurrent rows above input rows and the columns r, z; B holds input rows above
 * recurrent rows and the column block c. Cells and inputs are padded to whole vec4s with zeros;
 * a padded cell stays 0 (r = z = 0.5, c = tanh(0) = 0).
 *
 * Axis letters: i input, c cell, p parameter.
 */
import { encoderLayout, type EncoderSpec } from "../layout.ts";
import { buildKernel, elementMain, type Kernel } from "./kernel.ts";
import { padded } from "./layer_tile.ts";

/** Floats by which bindings inside of a buffer must be aligned (256 bytes). */
const ALIGNMENT = 64;

const aligned = (floats: number) => Math.ceil(floats / ALIGNMENT) * ALIGNMENT;

/** Layout of the packed GRU and of its gradient. */
export interface PackedGru {
  readonly spec: EncoderSpec;
  readonly inputs: number;
  readonly cells: number;
  /** Padded sides. */
  readonly inputRows: number;
  readonly cellRows: number;
  /** A [cellRows + inputRows, 2 cellRows], then a [2 cellRows]; starts at 0. */
  readonly gateSize: number;
  readonly gateBias: number;
  /** B [inputRows + cellRows, cellRows], then b [cellRows]. */
  readonly candidate: number;
  readonly candidateSize: number;
  readonly candidateBias: number;
  /** Floats of everything. */
  readonly size: number;
}

/** Table of the packed GRU of an encoder. */
export function packGru(spec: EncoderSpec): PackedGru {
  const inputRows = padded(spec.inputDim);
  const cellRows = padded(spec.cellSize);
  const gateBias = (cellRows + inputRows) * 2 * cellRows;
  const gateSize = gateBias + 2 * cellRows;
  const candidate = aligned(gateSize);
  const candidateBias = candidate + (inputRows + cellRows) * cellRows;
  return {
    spec,
    inputs: spec.inputDim,
    cells: spec.cellSize,
    inputRows,
    cellRows,
    gateSize,
    gateBias,
    candidate,
    candidateSize: candidateBias + cellRows - candidate,
    candidateBias,
    size: aligned(candidateBias + cellRows),
  };
}

/** Short text of an encoder's sizes for messages. */
export function encoderSizes(spec: EncoderSpec): string {
  return `GRU ${spec.inputDim} -> ${spec.cellSize} -> ${spec.outputDim}`;
}

/** Offsets of the GRU's three tensors in the flat parameter vector. */
function gruOffsets(spec: EncoderSpec): { kernel: number; recurrent: number; bias: number } {
  const offset = (name: string) =>
    encoderLayout(spec).entries.find((entry) => entry.name === name)!.offset;
  return {
    kernel: offset("gru_kernel"),
    recurrent: offset("gru_recurrent"),
    bias: offset("gru_bias"),
  };
}

/** packed = GRU tensors of params, padded and rearranged. */
export function packGruKernel(packed: PackedGru): Kernel {
  const { spec, cells, inputs, cellRows, inputRows } = packed;
  const from = gruOffsets(spec);
  const width = 3 * cells;
  return buildKernel({
    name: "pack_gru",
    sizes: encoderSizes(spec),
    header: ["packed = A, a, B, b: the GRU's tensors, padded; overwrites packed"],
    bindings: [
      { name: "params", access: "read", element: "f32" },
      { name: "packed", access: "read_write", element: "f32" },
    ],
    body: (w) =>
      elementMain(w, `${packed.size}u`, () => {
        w.line("var row = 0u;", "var column = 0u;", "var isBias = false;", "var isInput = false;");
        w.line("// block 0: update z, 1: reset r, 2: candidate c; c: cell of the column");
        w.line("var block = 2u;", "var c = 0u;", "var i = 0u;");
        w.block(`if (index < ${packed.candidate}u)`, () => {
          w.line(
            `row = index / ${2 * cellRows}u;`,
            `column = index % ${2 * cellRows}u;`,
            `block = select(0u, 1u, column < ${cellRows}u);`,
            `c = column % ${cellRows}u;`,
            `isBias = row >= ${cellRows + inputRows}u;`,
            `isInput = row >= ${cellRows}u;`,
            `i = select(row, row - ${cellRows}u, isInput);`,
            `if (index >= ${packed.gateSize}u) { c = ${cells}u; }`,
          );
        });
        w.block("else", () => {
          w.line(
            `row = (index - ${packed.candidate}u) / ${cellRows}u;`,
            `c = (index - ${packed.candidate}u) % ${cellRows}u;`,
            `isBias = row >= ${cellRows + inputRows}u;`,
            `isInput = row < ${inputRows}u;`,
            `i = select(row - ${inputRows}u, row, isInput);`,
            `if (index >= ${packed.candidateBias + cellRows}u) { c = ${cells}u; }`,
          );
        });
        w.line(
          `let rows = select(${cells}u, ${inputs}u, isInput);`,
          "var value = 0.0;",
        );
        w.block(`if (c < ${cells}u)`, () => {
          w.line(`let at = block * ${cells}u + c;`);
          w.block("if (isBias)", () => w.line(`value = params[${from.bias}u + at];`));
          w.block("else if (i < rows)", () => {
            w.line(
              `let first = select(${from.recurrent}u, ${from.kernel}u, isInput);`,
              `value = params[first + i * ${width}u + at];`,
            );
          });
        });
        w.line("packed[index] = value;");
      }),
  });
}

/** gradParams of the GRU's tensors = scale * entries of the packed gradient. */
export function unpackGruKernel(packed: PackedGru): Kernel {
  const { spec, cells, inputs, cellRows, inputRows } = packed;
  const from = gruOffsets(spec);
  const width = 3 * cells;
  const count = (inputs + cells + 1) * width;
  return buildKernel({
    name: "unpack_gru",
    sizes: encoderSizes(spec),
    header: [
      "gradParams = scale * packed gradient, for gru_kernel, gru_recurrent and gru_bias",
      "overwrites these three",
    ],
    bindings: [
      { name: "packed", access: "read", element: "f32" },
      { name: "gradParams", access: "read_write", element: "f32" },
    ],
    scalars: [{ name: "scale", type: "f32" }],
    body: (w) =>
      elementMain(w, `${count}u`, () => {
        w.line(
          `let row = index / ${width}u;`,
          `let at = index % ${width}u;`,
          `let block = at / ${cells}u;`,
          `let c = at % ${cells}u;`,
          "// row of A and of B; input rows come first in the flat vector, then cells, then bias",
          "var gateRow = 0u;",
          "var candidateRow = 0u;",
          "var place = 0u;",
        );
        w.block(`if (row < ${inputs}u)`, () => {
          w.line(
            `gateRow = ${cellRows}u + row;`,
            "candidateRow = row;",
            `place = ${from.kernel}u + index;`,
          );
        });
        w.block(`else if (row < ${inputs + cells}u)`, () => {
          w.line(
            `gateRow = row - ${inputs}u;`,
            `candidateRow = ${inputRows}u + row - ${inputs}u;`,
            `place = ${from.recurrent}u + index - ${inputs * width}u;`,
          );
        });
        w.block("else", () => {
          w.line(
            `gateRow = ${cellRows + inputRows}u;`,
            `candidateRow = ${cellRows + inputRows}u;`,
            `place = ${from.bias}u + at;`,
          );
        });
        w.line(
          `var source = ${packed.candidate}u + candidateRow * ${cellRows}u + c;`,
          `if (block == 0u) { source = gateRow * ${2 * cellRows}u + ${cellRows}u + c; }`,
          `if (block == 1u) { source = gateRow * ${2 * cellRows}u + c; }`,
          "gradParams[place] = args.scale * packed[source];",
        );
      }),
  });
}
