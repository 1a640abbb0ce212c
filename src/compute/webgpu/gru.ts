/**
 * The recurrent kernels of the encoder: forward over time, back through time, and the weights'
 * gradient. A workgroup holds a tile of sequences and loops over time inside of the kernel.
 *
 * What the way back needs is kept per tile and step as a block of tile rows, [h x r*h | r z c],
 * h being the state before the step. Back through time replaces r, z, c by the derivatives of
 * their pre-activations, so that the same block then is one tile of the weights' gradient:
 *
 *     dA += [h x]' [dr dz]        dB += [x r*h]' dc
 *
 * Axis letters: r sequence (in the code `sequence`), t step, i input, c cell.
 */
import {
  type BindingDecl,
  buildKernel,
  type Kernel,
  type KernelLimits,
  type ScalarDecl,
} from "./kernel.ts";
import { encoderSizes, type PackedGru } from "./encoder_packing.ts";
import type { TileProfile } from "./profile.ts";
import { HeldGradient } from "./held_gradient.ts";
import { GradientBuilder, type OuterProduct, TileBuilder } from "./tile.ts";
import { declareExp, declareTanh } from "./wgsl_math.ts";
import type { WgslWriter } from "./wgsl_writer.ts";
import { RunError } from "../../util/errors.ts";

/** Sizes of a GRU tile and of the blocks kept for the way back. */
export interface GruTile {
  readonly packed: PackedGru;
  readonly profile: TileProfile;
  /** Sequences of one tile. */
  readonly tileSize: number;
  /** Rows of a kept block: h x rh r z c. */
  readonly blockRows: number;
  /** Whether A and B are uniform buffers. */
  readonly uniform: boolean;
}

/** Chooses the tile of a GRU; one size serves all three kernels. */
export function gruTile(packed: PackedGru, profile: TileProfile, limits: KernelLimits): GruTile {
  const blockRows = 5 * packed.cellRows + packed.inputRows;
  const tileSize = profile.tileSizes.find((size) => blockRows * size * 4 <= limits.workgroupBytes);
  if (tileSize === undefined) {
    throw new RunError(
      "workgroup-memory",
      `Cannot fit an encoder of sizes ${encoderSizes(packed.spec)} into the GPU's workgroup ` +
        `memory: ${blockRows * profile.tileSizes.at(-1)! * 4} bytes are needed, ` +
        `${limits.workgroupBytes} are there; take fewer cells or --device cpu`,
    );
  }
  const largest = Math.max(packed.gateSize, packed.candidateSize) * 4;
  const uniform = profile.weightSource === "uniform" && largest <= limits.uniformBytes;
  return { packed, profile, tileSize, blockRows, uniform };
}

function weightBindings({ packed, uniform }: GruTile): BindingDecl[] {
  const declare = (name: string, floats: number): BindingDecl =>
    uniform
      ? { name, access: "uniform", element: "vec4f", length: floats / 4 }
      : { name, access: "read", element: "vec4f" };
  return [declare("gates", packed.gateSize), declare("candidate", packed.candidateSize)];
}

/** Buffers of {@link weightBindings}. */
export function gruWeights({ packed }: GruTile, rows: GPUBufferBinding): GPUBufferBinding[] {
  const { buffer } = rows;
  return [
    { buffer, offset: 0, size: packed.gateSize * 4 },
    { buffer, offset: packed.candidate * 4, size: packed.candidateSize * 4 },
  ];
}

const u32s = (...names: string[]): ScalarDecl[] => names.map((name) => ({ name, type: "u32" }));

function main(w: WgslWriter, threads: number, body: () => void): void {
  w.line(`@compute @workgroup_size(${threads})`);
  w.block(
    "fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lid: u32)",
    body,
  );
}

/** For all vec4s of `rows` tile rows: `body(row, group)` in WGSL, spread over the threads. */
function eachVector(
  tile: TileBuilder,
  rows: number,
  body: (row: string, group: string) => void,
): void {
  const { writer: w, width, threads } = tile;
  w.spread("element", rows * width, threads, () => {
    w.line(`let row = element / ${width}u;`, `let group = element % ${width}u;`);
    body("row", "group");
  });
}

/** Copies the tile's states between rows from `firstRow` on and the array [R, C]. */
function copyStates(
  tile: TileBuilder,
  packed: PackedGru,
  firstRow: number,
  array: string,
  direction: "load" | "store",
): void {
  const { writer: w, threads, tileSize } = tile;
  const rows = direction === "load" ? packed.cellRows : packed.cells;
  w.spread("element", rows * tileSize, threads, () => {
    w.line(
      `let c = element % ${rows}u;`,
      `let s = element / ${rows}u;`,
      "let sequence = firstSequence + s;",
    );
    const place = tile.scalarAt(`${firstRow}u + c`, "s");
    const there = `sequence < args.sequences && c < ${packed.cells}u`;
    const value = `${array}[sequence * ${packed.cells}u + c]`;
    if (direction === "store") {
      w.block("if (sequence < args.sequences)", () => w.line(`${value} = ${place};`));
    } else {
      w.line("var value = 0.0;", `if (${there}) { value = ${value}; }`, `${place} = value;`);
    }
  });
}

/** Forward over steps firstStep .. endStep-1; with `keep` writes the blocks for the way back. */
export function gruForwardKernel(gru: GruTile, keep: boolean): Kernel {
  const { packed, profile, tileSize, blockRows } = gru;
  const { cellRows, inputs, inputRows, spec } = packed;
  const x = cellRows;
  const reset = cellRows + inputRows;
  const update = reset + cellRows;
  return buildKernel({
    name: keep ? "gru_forward_keep" : "gru_forward",
    sizes: encoderSizes(spec),
    header: [
      "[r z] = hs([h x] A + a);  c = tanh([x r*h] B + b);  h = z*h + (1-z)*c",
      `a tile is ${tileSize} sequences; tile rows: h, x, r (then r*h), z`,
      "overwrites state [R,C] with the last h (and starts from it where firstStep > 0)",
      ...(keep ? ["overwrites kept[tile, step, row of h x rh r z c]"] : []),
    ],
    bindings: [
      ...weightBindings(gru),
      { name: "sequences", access: "read", element: "f32" },
      { name: "state", access: "read_write", element: "f32" },
      ...(keep ? [{ name: "kept", access: "read_write", element: "vec4f" } as const] : []),
    ],
    scalars: u32s("sequences", "steps", "firstTile", "firstStep", "endStep"),
    body: (w) => {
      const tile = new TileBuilder(w, profile, tileSize);
      const { width, threads } = tile;
      const keepAt = (row: number, value: string) => {
        if (keep) w.line(`kept[block0 + ${row * width}u + element] = ${value};`);
      };
      w.line(`var<workgroup> tile: array<vec4f, ${(update + cellRows) * width}>;`);
      declareExp(w);
      declareTanh(w);
      w.block("fn hardSigmoid(u: vec4f) -> vec4f", () => {
        w.line(
          "let v = 0.2 * u + 0.5;",
          "// select, unlike clamp, lets a NaN through",
          "return select(select(v, vec4f(), v < vec4f()), vec4f(1.0), v > vec4f(1.0));",
        );
      });
      let perStep = 0;
      main(w, threads, () => {
        w.line(`let firstSequence = (args.firstTile + workgroup.x) * ${tileSize}u;`);
        w.block("if (args.firstStep == 0u)", () => {
          eachVector(tile, cellRows, (row, group) => w.line(`${tile.at(row, group)} = vec4f();`));
        });
        w.block("else", () => copyStates(tile, packed, 0, "state", "load"));
        const head = { variable: "t", from: "args.firstStep", to: "args.endStep", passes: 0 };
        perStep = w.loop(head, () => {
          if (keep) {
            w.line(
              `let block0 = (workgroup.x * args.steps + t) * ${blockRows * width}u;`,
            );
          }
          w.line("// x");
          w.spread("element", inputRows * width, threads, () => {
            w.line(
              `let i = element / ${width}u;`,
              `let sequence = firstSequence + (element % ${width}u) * 4u;`,
              "var value = vec4f();",
            );
            for (const part of [0, 1, 2, 3]) {
              w.block(`if (i < ${inputs}u && sequence + ${part}u < args.sequences)`, () => {
                const place = `((sequence + ${part}u) * args.steps + t) * ${inputs}u + i`;
                w.line(`value.${"xyzw"[part]} = sequences[${place}];`);
              });
            }
            w.line(`tile[${x * width}u + element] = value;`);
            keepAt(x, "value");
          });
          tile.barrier();
          tile.product({
            comment: "r, z",
            depth: cellRows + inputRows,
            outputs: 2 * cellRows,
            transposed: false,
            weights: { A: "gates[*]" },
            stride: 2 * cellRows / 4,
            rows: { hx: 0 },
            sums: [{ name: "u", terms: [["A", "hx"]], bias: ["A", packed.gateBias / 4] }],
            store: (output, group, { u }) => {
              w.line(`${tile.at(`${reset}u + ${output}`, group)} = hardSigmoid(${u});`);
            },
          });
          tile.barrier();
          w.line("// r becomes r*h");
          w.spread("element", cellRows * width, threads, () => {
            w.line(
              "let h = tile[element];",
              `let r = tile[${reset * width}u + element];`,
              `tile[${reset * width}u + element] = r * h;`,
            );
            keepAt(0, "h");
            keepAt(2 * cellRows + inputRows, "r");
            keepAt(cellRows + inputRows, "r * h");
            keepAt(3 * cellRows + inputRows, `tile[${update * width}u + element]`);
          });
          tile.barrier();
          tile.product({
            comment: "c and the new h",
            depth: inputRows + cellRows,
            outputs: cellRows,
            transposed: false,
            weights: { B: "candidate[*]" },
            stride: cellRows / 4,
            rows: { xrh: x },
            sums: [{
              name: "u",
              terms: [["B", "xrh"]],
              bias: ["B", (packed.candidateBias - packed.candidate) / 4],
            }],
            store: (output, group, { u }) => {
              w.line(
                `let c = tanh4(${u});`,
                `let z = ${tile.at(`${update}u + ${output}`, group)};`,
                `let place = (${output}) * ${width}u + ${group};`,
                "tile[place] = z * tile[place] + (1.0 - z) * c;",
              );
              if (keep) {
                const first = (4 * cellRows + inputRows) * width;
                w.line(`kept[block0 + ${first}u + place] = c;`);
              }
            },
          });
          tile.barrier();
        });
        copyStates(tile, packed, 0, "state", "store");
      });
      return perStep + 1;
    },
  });
}

/** Back through steps endStep-1 .. firstStep; turns r, z, c of the kept blocks into derivatives. */
export function gruBackwardKernel(gru: GruTile): Kernel {
  const { packed, profile, tileSize, blockRows } = gru;
  const { cellRows, inputRows, spec } = packed;
  // tile rows: dh, h, r, z, c
  const [h, reset, update, candidate] = [1, 2, 3, 4].map((at) => at * cellRows);
  const keptGates = 2 * cellRows + inputRows;
  return buildKernel({
    name: "gru_backward",
    sizes: encoderSizes(spec),
    header: [
      "dc = dh (1-z) (1-c^2);  dz = dh (h-c) hs';  d(rh) = dc B';  dr = d(rh) h hs'",
      "dh of the step before = dh z + d(rh) r + [dr dz] A'",
      `a tile is ${tileSize} sequences; tile rows: dh, h, r (then dr), z (then dz), c (then dc)`,
      "updates dState [R,C] from d/d state behind the last step to that before the first",
      "updates kept: r z c of a block become dr dz dc",
    ],
    bindings: [
      ...weightBindings(gru),
      { name: "dState", access: "read_write", element: "f32" },
      { name: "kept", access: "read_write", element: "vec4f" },
    ],
    scalars: u32s("sequences", "steps", "firstTile", "firstStep", "endStep"),
    body: (w) => {
      const tile = new TileBuilder(w, profile, tileSize);
      const { width, threads } = tile;
      w.line(`var<workgroup> tile: array<vec4f, ${5 * cellRows * width}>;`);
      w.block("fn gateSlope(gate: vec4f) -> vec4f", () => {
        w.line("return select(vec4f(), vec4f(0.2), gate > vec4f() & gate < vec4f(1.0));");
      });
      let perStep = 0;
      main(w, threads, () => {
        w.line(`let firstSequence = (args.firstTile + workgroup.x) * ${tileSize}u;`);
        copyStates(tile, packed, 0, "dState", "load");
        const head = { variable: "step", from: "args.firstStep", to: "args.endStep", passes: 0 };
        perStep = w.loop(head, () => {
          w.line(
            "let t = args.endStep - 1u - (step - args.firstStep);",
            `let block0 = (workgroup.x * args.steps + t) * ${blockRows * width}u;`,
          );
          tile.barrier();
          w.line("// dz, dc and the direct part of dh");
          w.spread("element", cellRows * width, threads, () => {
            w.line(
              "let h = kept[block0 + element];",
              `let z = kept[block0 + ${(keptGates + cellRows) * width}u + element];`,
              `let c = kept[block0 + ${(keptGates + 2 * cellRows) * width}u + element];`,
              "let dh = tile[element];",
              "let dz = dh * (h - c) * gateSlope(z);",
              "let dc = dh * (1.0 - z) * (1.0 - c * c);",
              "tile[element] = dh * z;",
              `tile[${h * width}u + element] = h;`,
              `tile[${reset * width}u + element] = kept[block0 + ${keptGates * width}u + element];`,
              `tile[${update * width}u + element] = dz;`,
              `tile[${candidate * width}u + element] = dc;`,
              `kept[block0 + ${(keptGates + cellRows) * width}u + element] = dz;`,
              `kept[block0 + ${(keptGates + 2 * cellRows) * width}u + element] = dc;`,
            );
          });
          tile.barrier();
          tile.product({
            comment: "d(rh) and from it dr",
            depth: cellRows,
            outputs: cellRows,
            transposed: true,
            weights: { B: `candidate[${inputRows * cellRows / 4}u + *]` },
            stride: cellRows / 4,
            rows: { dc: candidate },
            sums: [{ name: "d", terms: [["B", "dc"]] }],
            store: (output, group, { d }) => {
              w.line(
                `let place = (${output}) * ${width}u + ${group};`,
                `let r = tile[${reset * width}u + place];`,
                `let dr = ${d} * tile[${h * width}u + place] * gateSlope(r);`,
                `tile[place] += ${d} * r;`,
                `tile[${reset * width}u + place] = dr;`,
                `kept[block0 + ${keptGates * width}u + place] = dr;`,
              );
            },
          });
          tile.barrier();
          tile.product({
            comment: "dh through r and z",
            depth: 2 * cellRows,
            outputs: cellRows,
            transposed: true,
            weights: { A: "gates[*]" },
            stride: 2 * cellRows / 4,
            rows: { drdz: reset },
            sums: [{ name: "d", terms: [["A", "drdz"]] }],
            store: (output, group, { d }) => w.line(`${tile.at(output, group)} += ${d};`),
          });
        });
        tile.barrier();
        copyStates(tile, packed, 0, "dState", "store");
      });
      return perStep;
    },
  });
}

/** Groups of four sequences whose columns a thread holds at a time. */
const HELD_GROUPS = 8;

/** Gradient of the packed GRU from the kept blocks, one row per chunk of blocks. */
export function gruGradientKernel(gru: GruTile): Kernel {
  const { packed, profile, tileSize, blockRows } = gru;
  const { cellRows, inputRows, spec } = packed;
  const gates = 2 * cellRows + inputRows;
  const products: OuterProduct[] = [
    {
      comment: "dA",
      rows: cellRows + inputRows,
      columns: 2 * cellRows,
      pairs: [[0, gates]],
      place: 0,
      bias: packed.gateBias / 4,
    },
    {
      comment: "dB",
      rows: inputRows + cellRows,
      columns: cellRows,
      pairs: [[cellRows, gates + 2 * cellRows]],
      place: packed.candidate / 4,
      bias: packed.candidateBias / 4,
    },
  ];
  const result = "gradients[gradientBase + *]";
  const held = profile.heldColumns > 0;
  const blocksAtOnce = held ? Math.max(1, Math.floor(4 * HELD_GROUPS / tileSize)) : 1;
  return buildKernel({
    name: "gru_gradient",
    sizes: encoderSizes(spec),
    header: [
      "dA = sum of [h x]' [dr dz];  dB = sum of [x r*h]' dc;  da, db sums of dr dz, dc",
      held
        ? `kept blocks, ${tileSize} sequences at one step each, are read where they lie, ` +
          `${blocksAtOnce} at a time`
        : `a tile is one kept block, ${tileSize} sequences at one step`,
      "overwrites gradients[firstChunk + chunk, packed GRU] with the chunk's part of the sums",
    ],
    bindings: [
      { name: "kept", access: "read", element: "vec4f" },
      { name: "gradients", access: "read_write", element: "vec4f" },
    ],
    scalars: u32s("blocks", "blocksPerChunk", "firstChunk"),
    body: (w) => {
      const tile = new TileBuilder(w, profile, tileSize);
      const { width, threads } = tile;
      const range = [
        `let gradientBase = (args.firstChunk + workgroup.x) * ${packed.size / 4}u;`,
        "let firstBlock = workgroup.x * args.blocksPerChunk;",
        "let endBlock = min(firstBlock + args.blocksPerChunk, args.blocks);",
      ];
      const head = { variable: "at", from: "firstBlock", to: "endBlock", passes: 0 };
      let perBlock = 0;
      if (held) {
        // a tile in workgroup memory would have to be written first, and loads cost the same
        const gradient = new HeldGradient(tile, products, result);
        const block = (group: number) => Math.floor(group / width);
        const present = (group: number) =>
          block(group) === 0 ? null : `at + ${block(group)}u < endBlock`;
        const at = (row: string, group: number) => {
          const number = block(group) === 0 ? "at" : `min(at + ${block(group)}u, endBlock - 1u)`;
          const place = `(${row}) * ${width}u + ${group % width}u`;
          return `kept[${number} * ${blockRows * width}u + ${place}]`;
        };
        main(w, threads, () => {
          w.line(...range);
          gradient.start();
          perBlock = w.loop({ ...head, step: blocksAtOnce }, () => {
            const samples = { groups: blocksAtOnce * width, at, present };
            products.forEach((_, index) => gradient.add(index, samples));
          });
        });
        return perBlock;
      }
      const sums = Math.ceil(3 * cellRows / threads);
      const gradient = new GradientBuilder(tile, products, result);
      w.line(
        `var<workgroup> tile: array<vec4f, ${blockRows * width}>;`,
        `var<private> biasSums: array<f32, ${sums}>;`,
      );
      gradient.declare();
      main(w, threads, () => {
        w.line(...range);
        gradient.start();
        perBlock = w.loop(head, () => {
          w.spread("element", blockRows * width, threads, () => {
            w.line(`tile[element] = kept[at * ${blockRows * width}u + element];`);
          });
          tile.barrier();
          gradient.add(0);
          gradient.add(1);
          w.line("// da, db");
          w.spread("row", 3 * cellRows, threads, () => {
            w.line("var sum = vec4f();");
            const groups = { variable: "group", from: "0u", to: `${width}u`, passes: width };
            w.loop(groups, () => w.line(`sum += ${tile.at(`${gates}u + row`, "group")};`));
            w.line(`biasSums[row / ${threads}u] += dot(sum, vec4f(1.0));`);
          });
          tile.barrier();
        });
        gradient.finish();
        w.spread("row", 3 * cellRows, threads, () => {
          w.line(
            `let place = select(${packed.candidateBias - 2 * cellRows}u, ${packed.gateBias}u, ` +
              `row < ${2 * cellRows}u) + row;`,
            `gradients[gradientBase + place / 4u][place % 4u] = biasSums[row / ${threads}u];`,
          );
        });
      });
      return perBlock;
    },
  });
}
