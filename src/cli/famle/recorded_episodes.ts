/**
 * The file beside adapt.json from which episodes can be repeated: the actions and the damage of
 * every episode of the first seed, by method. Arrays are called `famle_3_actions` [T, A] and
 * `famle_3_damage` [D], episodes counted from 1; online they are stretches of a mission.
 *
 * Axis letters: T control steps, A action, D task.
 */
import { fileErrorReason } from "../../run/files.ts";
import type { NpyArray } from "../../run/npy.ts";
import { readNpz, writeNpz } from "../../run/npz.ts";
import { UserError } from "../../util/errors.ts";
import type { MethodRuns } from "./results.ts";

/** Its name in the folder of the results. */
export const EPISODES_FILE = "episodes.npz";

/** What it takes to repeat an episode whose start is known. */
export interface RecordedEpisode {
  /** [T, A] */
  readonly actions: Float64Array;
  /** [D] task row */
  readonly damage: Float64Array;
}

function float64(shape: readonly number[], data: Float64Array): NpyArray {
  return { type: "float64", shape, data };
}

/** The bytes of the file. @param actDim A */
export function encodeEpisodes(
  results: readonly MethodRuns[],
  actDim: number,
): Uint8Array<ArrayBuffer> {
  const arrays: Record<string, NpyArray> = {};
  for (const { method, runs } of results) {
    for (const { episode, steps, actions, damage } of runs[0]) {
      const name = `${method}_${episode + 1}`;
      arrays[`${name}_actions`] = float64([steps, actDim], actions);
      arrays[`${name}_damage`] = float64([damage.row.length], damage.row);
    }
  }
  return writeNpz(arrays);
}

/**
 * The first `count` episodes of a method.
 *
 * @throws UserError `episodes-not-found`, `data-file-damaged`
 */
export async function readEpisodes(
  folder: string,
  method: string,
  count: number,
): Promise<RecordedEpisode[]> {
  const path = `${folder}/${EPISODES_FILE}`;
  const bytes = await Deno.readFile(path).catch((error) => {
    const isMissing = error instanceof Deno.errors.NotFound;
    throw new UserError(
      "episodes-not-found",
      `can't read ${path}: ${fileErrorReason(error)}` +
        (isMissing ? "; run famle adapt again, this version keeps what it needs" : ""),
      { cause: error },
    );
  });
  const arrays = readNpz(bytes, path);
  const numbers = (name: string): Float64Array => {
    const array = arrays.get(name);
    if (array?.type === "float64") return array.data;
    throw new UserError("episodes-not-found", `${path} holds no numbers called ${name}`);
  };
  return Array.from({ length: count }, (_, e) => ({
    actions: numbers(`${method}_${e + 1}_actions`),
    damage: numbers(`${method}_${e + 1}_damage`),
  }));
}
