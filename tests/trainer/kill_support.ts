/**
 * Commands that are killed with SIGKILL at random moments and gone on with each time, against ones
 * that ran through: what they leave must have the same bytes. `kill_test.ts` and
 * `famle_kill_test.ts` kill each a few times, `tests/long/kill.ts` fifty times.
 */
import assert from "node:assert/strict";
import { listCheckpoints, readCheckpoint } from "../../src/run/checkpoint.ts";
import { isTimeColumn, readProgress } from "../../src/run/log.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { inTemporaryFolder, metarl, metarlCommand, namesIn } from "../cli/metarl_process.ts";
import { TINY } from "./tiny.ts";

/** A command to kill. */
export interface Victim {
  readonly name: string;
  /** Run once in the folder before anything else. */
  readonly prepare?: readonly string[];
  /** Starts it. @param units how many rows of progress.csv it has to be good for */
  start(out: string, units: number): readonly string[];
  /** Goes on with it; `null`: it is started again. */
  readonly resume: ((out: string) => readonly string[]) | null;
  /** Its result, to compare. */
  results(out: string): Promise<unknown>;
}

/** A run with a checkpoint an iteration, some of 3 MB, so that writing one takes its time. */
const CONFIG = { ...TINY, save_steps: 1, hidden_sizes: [384, 384], learning_rate: 1e-4 };

const CPU = ["--device", "cpu"];

function rowsOf(out: string): unknown[] {
  return readProgress(`${out}/progress.csv`).rows.map((row) =>
    Object.entries(row).filter(([name]) => !isTimeColumn(name))
  );
}

/** Bytes of all files of a folder, by name. */
function filesOf(folder: string, wanted = (_name: string) => true): Record<string, Uint8Array> {
  return Object.fromEntries(
    namesIn(folder).filter(wanted).map((name) => [name, Deno.readFileSync(`${folder}/${name}`)]),
  );
}

/** Rows and checkpoints of a run, and what else it has. */
function runResults(out: string, others: readonly string[] = []) {
  return Promise.resolve({
    rows: rowsOf(out),
    checkpoints: filesOf(`${out}/checkpoints`),
    others: filesOf(out, (name) => others.includes(name)),
  });
}

function metaVictim(algorithm: "mmaml" | "promp"): Victim {
  return {
    name: algorithm,
    start: (out, units) => [
      ...[algorithm, "--overrides", JSON.stringify(CONFIG), "--iterations", `${units}`],
      ...["--out", out],
    ],
    resume: (out) => [algorithm, "--resume", out],
    results: (out) => runResults(out),
  };
}

const COLLECT = ["famle", "collect", "--set", "candidates=60", "--set", "horizon=3", ...CPU];

/** Training; its result may not depend on when it is killed. */
export const META_VICTIMS: readonly Victim[] = [metaVictim("mmaml"), metaVictim("promp")];

/** The same for the FAMLE chain. */
export const FAMLE_VICTIMS: readonly Victim[] = [
  {
    name: "famle collect",
    start: (out, units) => [
      ...COLLECT,
      ...["--episode-length", "4", "--random-episodes", "1", "--dump-trajects", "2"],
      // 11 situations, a row each
      ...["--iterations", `${Math.ceil(units / 11)}`, "--out", out],
    ],
    resume: (out) => ["famle", "collect", "--resume", out, "--dump-trajects", "2", ...CPU],
    results: (out) => runResults(out, ["data.json", "mismatches.npy", "transitions.npz"]),
  },
  {
    name: "famle train",
    prepare: [...COLLECT, "--episode-length", "9", "--iterations", "1", "--out", "data"],
    start: (out, units) => [
      ...["famle", "train", "data", "--set", "inner_iter=100", "--set", "save_steps=100", ...CPU],
      ...["--iterations", `${100 * units}`, "--out", out],
    ],
    resume: (out) => ["famle", "train", "--resume", out, ...CPU],
    results: (out) => runResults(out, ["model.safetensors"]),
  },
  {
    name: "famle adapt",
    start: (out) => [
      ...["famle", "adapt", "--iterations", "3", "--set", "candidates=60", "--set", "horizon=3"],
      ...["--set", "episode_length=9", "--set", "epoch=2", "--out", out, ...CPU],
    ],
    resume: null,
    async results(out) {
      const { seconds: _, files: _files, ...summary } = JSON.parse(
        await Deno.readTextFile(`${out}/adapt.json`),
      );
      return { summary, pictures: filesOf(out, (name) => name !== "adapt.json") };
    },
  },
];

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function rowCount(out: string): number {
  try {
    return readProgress(`${out}/progress.csv`).rows.length;
  } catch {
    return 0; // not created yet
  }
}

/** Number of a kill's random choices; never renumber. */
const [HOW, ROWS, WHEN] = [0, 1, 2];

/** How a process is killed. */
type Moment =
  /** As soon as a file is being written under its temporary name. */
  | { readonly kind: "writing" }
  /** After so many more rows, and so many milliseconds. */
  | { readonly kind: "rows"; readonly rows: number; readonly ms: number };

function momentOf(random: KeyedRandom, kill: number, longest: number): Moment {
  const draw = (what: number) => random.at(Purpose.TEST_DATA, kill, what).uniform();
  if (draw(HOW) < 0.4) return { kind: "writing" };
  return { kind: "rows", rows: Math.floor(3 * draw(ROWS)), ms: longest * draw(WHEN) };
}

/** Waits for the moment. @returns whether it came before the process ended */
async function waitFor(moment: Moment, out: string, isOver: () => boolean): Promise<boolean> {
  const first = rowCount(out);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
  const isWriting = () =>
    [`${out}/checkpoints`, out].some((folder) =>
      exists(folder) && namesIn(folder).some((name) => name.endsWith(".tmp"))
    );
  if (moment.kind === "writing") {
    // the window is short: look again and again, and let messages through now and then
    for (;;) {
      for (let look = 0; look < 100; look++) if (isWriting()) return true;
      await pause();
      if (isOver()) return false;
    }
  }
  while (moment.rows > 0 && rowCount(out) < first + moment.rows) {
    await pause();
    if (isOver()) return false;
  }
  const end = performance.now() + moment.ms;
  while (performance.now() < end) {
    await pause();
    if (isOver()) return false;
  }
  return true;
}

/** SIGKILL, unless the process has ended a moment ago: how it ended shows what became of it. */
function killIfThere(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // it has
  }
}

/** What happened to one victim. */
export interface KillReport {
  readonly kills: number;
  /** Kills that left a file with a temporary name: they came in the middle of writing it. */
  readonly whileWriting: number;
}

async function checkpointsAreIntact(out: string): Promise<void> {
  for (const [, name] of listCheckpoints(`${out}/checkpoints`)) {
    await readCheckpoint(`${out}/checkpoints/${name}`);
  }
}

/** Kills it `kills` times and compares it with one that ran through. */
export async function killAndCompare(
  victim: Victim,
  kills: number,
  seed: number,
): Promise<KillReport> {
  const random = new KeyedRandom(seed);
  let done = 0, whileWriting = 0;
  await inTemporaryFolder(async (folder) => {
    const finish = async (args: readonly string[]) => {
      const start = performance.now();
      const { code, stderr } = await metarl(args, folder);
      assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
      return performance.now() - start;
    };
    if (victim.prepare !== undefined) await finish(victim.prepare);
    const whole = await finish(victim.start("whole", 3 * kills + 8));
    // what has no rows is over soon: its kills are spread over all of its time
    const longest = victim.resume === null ? whole : 150;
    let name = "killed";
    const next = (): readonly string[] => {
      const out = `${folder}/${name}`;
      if (victim.resume !== null && exists(`${out}/params.json`)) return victim.resume(name);
      // a folder that has files in it, but nothing to go on from
      if (exists(out) && namesIn(out).length > 0) name = `${name}+`;
      return victim.start(name, 3 * kills + 8);
    };
    for (let kill = 0; done < kills; kill++) {
      assert.ok(kill < 3 * kills + 8, `only ${done} kills in ${kill} attempts`);
      const process = metarlCommand(next(), folder).spawn();
      const output = process.output();
      let isOver = false;
      const end = () => void (isOver = true);
      output.then(end, end);
      const out = `${folder}/${name}`;
      const moment = momentOf(random, kill, longest);
      const came = await waitFor(moment, out, () => isOver);
      if (came && !isOver) killIfThere(process);
      const { signal, code, stderr } = await output;
      if (signal !== "SIGKILL") {
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        // something that can't be gone on with is started again elsewhere
        if (victim.resume === null) name = `${name}+`;
        else break;
        continue;
      }
      done++;
      const left = [out, `${out}/checkpoints`].filter(exists).flatMap(namesIn);
      if (left.some((file) => file.endsWith(".tmp"))) whileWriting++;
      await checkpointsAreIntact(out);
    }
    assert.equal(done, kills, "it was over before it had been killed often enough");
    await finish(next());
    assert.deepEqual(
      await victim.results(`${folder}/${name}`),
      await victim.results(`${folder}/whole`),
    );
  });
  return { kills: done, whileWriting };
}
