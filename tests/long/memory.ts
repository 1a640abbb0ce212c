/**
 * Memory stays flat: the resident size of a training of configs/reacher.json, all threads included,
 * after 200 iterations is at most 10 % above that after 20. (It may be below: V8 gives memory back
 * when it likes.)
 *
 * `deno task test:long` takes about half an hour; with METARL_LONG_TASKS=2 in the environment
 * iterations have 2 tasks instead of 40, and it takes a minute. Reads `/proc`, so on Linux only, and
 * Deno wants -A for that. Not named as a test file, so that the other tests run without it.
 */
import assert from "node:assert/strict";
import { inTemporaryFolder, metarlCommand } from "../cli/metarl_process.ts";

const CONFIG = new URL("../../configs/reacher.json", import.meta.url).pathname;
const EARLY = 20;
const LATE = 200;
const ALLOWED_GROWTH = 0.1;

/** Resident size of a process in MiB; `null` for one that has just ended. */
function residentSize(pid: number): number | null {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return found === null ? null : Number(found[1]) / 1024;
}

/** Iterations that are logged. */
function iterationsDone(run: string): number {
  try {
    return Deno.readTextFileSync(`${run}/progress.csv`).trimEnd().split("\n").length - 1;
  } catch {
    return 0; // not created yet
  }
}

for (const algorithm of ["mmaml", "promp"]) {
  Deno.test({
    name: `${algorithm}: memory after ${LATE} iterations is at most 10 % above that after ${EARLY}`,
    ignore: Deno.build.os !== "linux",
    fn: () =>
      inTemporaryFolder(async (folder) => {
        const tasks = Deno.env.get("METARL_LONG_TASKS");
        const size = tasks === undefined ? [] : ["--set", `meta_batch_size=${tasks}`];
        const args = [algorithm, CONFIG, "--out", "run", "--iterations", `${LATE + 1}`, ...size];
        const process = metarlCommand([...args, "--device", "cpu"], folder).spawn();
        const output = process.output();
        let ended = false;
        const end = () => void (ended = true);
        output.then(end, end);
        const sizes = new Map<number, number>();
        try {
          while (!ended) {
            const done = iterationsDone(`${folder}/run`);
            const resident = done > 0 && !sizes.has(done) ? residentSize(process.pid) : null;
            if (resident !== null) sizes.set(done, resident);
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        } finally {
          if (!ended) process.kill("SIGKILL");
        }
        const { code, stderr } = await output;
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        const table = [...sizes].filter(([done]) => done % EARLY === 0)
          .map(([done, size]) => `${done}: ${size.toFixed(0)} MiB`).join(", ");
        console.log(`${algorithm}: resident size after iterations ${table}`);
        const [early, late] = [sizes.get(EARLY), sizes.get(LATE)];
        assert.ok(early !== undefined && late !== undefined, `it was not seen in time: ${table}`);
        assert.ok(late <= (1 + ALLOWED_GROWTH) * early, table);
      }),
  });
}
