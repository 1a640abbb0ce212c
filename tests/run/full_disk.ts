/**
 * Run by `run_dir_test.ts` in a process of its own with all permissions: opening /dev/full, which
 * refuses every write as a full disk does, takes more than Deno gives a test.
 *
 *     full_disk.ts FOLDER     prints one line per check
 */
import { readCheckpoint } from "../../src/run/checkpoint.ts";
import { RunDir } from "../../src/run/run_dir.ts";
import { messageOf } from "../../src/util/errors.ts";
import { checkpointOf, PARAMS, RETENTION } from "./sample_run.ts";

const folder = Deno.args[0];

async function report(action: () => unknown): Promise<void> {
  try {
    await action();
    console.log("no error");
  } catch (error) {
    console.log(`${(error as Error).name}: ${messageOf(error).replaceAll(folder, "FOLDER")}`);
  }
}

// a checkpoint: the old one of the same name stays as it was
{
  using run = await RunDir.create(`${folder}/a`, PARAMS, false);
  const path = await run.saveCheckpoint(checkpointOf(1), RETENTION);
  Deno.symlinkSync("/dev/full", `${path}.tmp`);
  await report(() => run.saveCheckpoint({ ...checkpointOf(1), algorithm: "promp" }, RETENTION));
  console.log((await readCheckpoint(path)).algorithm);
  console.log([...Deno.readDirSync(`${folder}/a/checkpoints`)].map(({ name }) => name).join());
}
// a line of the log
{
  using _run = await RunDir.create(`${folder}/b`, PARAMS, false);
}
Deno.removeSync(`${folder}/b/log.txt`);
Deno.symlinkSync("/dev/full", `${folder}/b/log.txt`);
{
  using run = await RunDir.open(`${folder}/b`);
  await report(() => run.note("hello"));
}
// params.json
Deno.symlinkSync("/dev/full", `${folder}/b/params.json.tmp`);
{
  using run = await RunDir.open(`${folder}/b`);
  await report(() => run.recordDevice("cpu"));
  console.log(run.params.device);
}
