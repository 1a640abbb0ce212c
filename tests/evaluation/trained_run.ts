/** A run that was really trained, in a folder, for tests of what looks at runs. */
import { train as trainCommand } from "../../src/cli/train.ts";
import type { MetaAlgorithm } from "../../src/trainer/types.ts";
import { MemoryOutput } from "../cli/memory_output.ts";
import { TINY } from "../trainer/tiny.ts";

/**
 * Trains the small problem of the trainer's tests into `folder`, in a worker.
 *
 * @param changes keys under published names
 */
export async function trainInto(
  folder: string,
  algorithm: MetaAlgorithm,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const overrides = JSON.stringify({ ...TINY, ...changes });
  const options = { out: folder, overrides, workers: "1" };
  const code = await trainCommand(algorithm, undefined, options, new MemoryOutput());
  if (code !== 0) throw new Error(`training ended with ${code}`);
}
