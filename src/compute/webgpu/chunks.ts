/**
 * Chunks: into how many workgroups the samples of a task are cut, and the sums over what the
 * workgroups leave.
 *
 * Axis letters: m task, p column of a chunk's row.
 */
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  elementMain,
  type Kernel,
  type PlanContext,
  unitsPerInvocation,
} from "./kernel.ts";
import type { TileProfile } from "./profile.ts";

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
 * Tiles of a chunk that keep the device busy and the chunks' gradient rows affordable.
 * @param tasksPerLaunch tasks whose chunks run at the same time: each launch waits for the one
 * before
 */
export function wantedTilesPerChunk(
  tiles: number,
  tasks: number,
  profile: TileProfile,
  gradFloats: number,
  tasksPerLaunch = tasks,
): number {
  const busy = Math.ceil(profile.targetWorkgroups / Math.max(1, tasksPerLaunch));
  const affordable = Math.floor(MAX_GRADIENT_BYTES / Math.max(1, tasks * gradFloats * 4));
  return Math.ceil(tiles / Math.max(1, Math.min(busy, affordable)));
}

/**
 * Into how many chunks of how many tiles each task is cut.
 * @param gradFloats floats of a chunk's gradient row
 * @param tasksPerLaunch see {@link wantedTilesPerChunk}
 */
export function chunksOf(
  kernel: Kernel,
  tileSize: number,
  tasks: number,
  maxSamples: number,
  { profile, limits }: PlanContext,
  gradFloats = 0,
  tasksPerLaunch = tasks,
): { chunks: number; tilesPerChunk: number } {
  const tiles = Math.max(1, Math.ceil(maxSamples / tileSize));
  const tilesPerChunk = Math.min(
    wantedTilesPerChunk(tiles, tasks, profile, gradFloats, tasksPerLaunch),
    unitsPerInvocation(kernel, limits),
  );
  return { chunks: Math.ceil(tiles / tilesPerChunk), tilesPerChunk };
}

/** Launch that adds up the chunks' rows [M, chunks, width] to `out` [M, width]. */
export function reduceRows(
  parts: GPUBufferBinding,
  out: GPUBufferBinding,
  tasks: number,
  chunks: number,
  width: number,
  context: PlanContext,
): Dispatch {
  return {
    kernel: context.kernel("reduce_rows", reduceRowsKernel),
    buffers: [parts, out],
    scalars: [width, chunks, tasks * width],
    grid: elementGrid(tasks * width),
    units: chunks,
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
  return { rows, dispatches: [reduceRows(parts, rows, tasks, chunks, width, context)] };
}
