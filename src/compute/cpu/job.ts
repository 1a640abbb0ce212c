/**
 * How threads share the passes of a job: a table in shared memory, work items claimed by atomic
 * counters, one barrier between passes. Which thread takes which item changes nothing in the
 * results: items are independent, and every sum's order is fixed by the kernels.
 *
 * All addresses are in bytes; a record is RECORD_WORDS words: pass id, number of items, address
 * of the arguments, items claimed so far, items done.
 */
import { CONTROL_ADDRESS } from "./cpu_memory.ts";
import { type KernelExports, PASS_NAMES } from "./kernel_module.ts";

/** Words of the job's header at `CONTROL_ADDRESS`. */
const HEADER = CONTROL_ADDRESS / 4;
const RECORDS = HEADER;
const PASSES = HEADER + 1;
const SCRATCH = HEADER + 2;
const SCRATCH_STRIDE = HEADER + 3;
const WORKSPACE = HEADER + 4;
const THREADS = HEADER + 5;
const FINISHED = HEADER + 6;
const FAILED = HEADER + 7;

/** Words of a record; the counters of two passes never share a cache line. */
export const RECORD_WORDS = 32;
const ID = 0, ITEMS = 1, ARGS = 2, CLAIMED = 3, DONE = 16;

/** Polls of a counter before a thread goes to sleep, some ten microseconds. */
const SPINS = 2000;

/** What a job needs to know. */
export interface JobHeader {
  /** Address of the records. */
  readonly records: number;
  readonly passes: number;
  /** Address of thread 0's scratch memory, and the distance to the next thread's. */
  readonly scratch: number;
  readonly scratchStride: number;
  readonly workspace: number;
  readonly threads: number;
}

/** A pass that threw. */
export interface PassFailure {
  readonly pass: number;
  readonly reason: string;
}

/** Writes the header of a job; no thread may be at work. */
export function writeHeader(words: Int32Array, job: JobHeader): void {
  words[RECORDS] = job.records;
  words[PASSES] = job.passes;
  words[SCRATCH] = job.scratch;
  words[SCRATCH_STRIDE] = job.scratchStride;
  words[WORKSPACE] = job.workspace;
  words[THREADS] = job.threads;
  words[FINISHED] = 0;
  words[FAILED] = 0;
}

/**
 * Makes all threads leave the job after the item that they are at. Must come before a worker is
 * terminated: one that sleeps in `Atomics.wait` can't be, and would keep the process alive.
 */
export function abortJob(words: Int32Array): void {
  Atomics.store(words, FAILED, 1);
  for (let p = 0; p < words[PASSES]; p++) wakeAll(words, recordAt(words, p));
}

/** Index of the first word of a record; addresses are unsigned. */
function recordAt(words: Int32Array, pass: number): number {
  return (words[RECORDS] >>> 0) / 4 + pass * RECORD_WORDS;
}

/** Wakes everyone who waits for the pass; `FAILED` has been set. */
function wakeAll(words: Int32Array, record: number): void {
  // a value that no sleeper expects, so that none misses the wake-up
  Atomics.add(words, record + DONE, 1 << 30);
  Atomics.notify(words, record + DONE);
}

/** Whether a thread of the last job has failed. */
export function jobFailed(words: Int32Array): boolean {
  return Atomics.load(words, FAILED) !== 0;
}

/** Writes record `index` of the table at `records`. */
export function writeRecord(
  words: Int32Array,
  records: number,
  index: number,
  pass: { readonly id: number; readonly items: number; readonly args: number },
): void {
  const at = records / 4 + index * RECORD_WORDS;
  words[at + ID] = pass.id;
  words[at + ITEMS] = pass.items;
  words[at + ARGS] = pass.args;
  words[at + CLAIMED] = 0;
  words[at + DONE] = 0;
}

/** Waits until all items of the pass are done, or a thread has failed. */
function awaitPass(words: Int32Array, done: number, items: number): void {
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(words, done) === items || Atomics.load(words, FAILED) !== 0) return;
  }
  for (;;) {
    const seen = Atomics.load(words, done);
    if (seen === items || Atomics.load(words, FAILED) !== 0) return;
    Atomics.wait(words, done, seen);
  }
}

/**
 * A thread's part in the job: takes items of every pass in turn.
 *
 * @param words the whole shared memory
 * @param thread number of the thread, which selects its scratch memory
 * @returns whether this thread was the last one, and what failed in it
 */
export function runJob(
  words: Int32Array,
  exports: KernelExports,
  thread: number,
): { last: boolean; failure: PassFailure | null } {
  const scratch = words[SCRATCH] + thread * words[SCRATCH_STRIDE];
  const workspace = words[WORKSPACE], passes = words[PASSES];
  let failure: PassFailure | null = null;
  for (let p = 0; p < passes && Atomics.load(words, FAILED) === 0; p++) {
    const at = recordAt(words, p);
    const items = words[at + ITEMS], args = words[at + ARGS];
    const run = exports[PASS_NAMES[words[at + ID]]];
    let mine = 0;
    try {
      for (;;) {
        const item = Atomics.add(words, at + CLAIMED, 1);
        if (item >= items || Atomics.load(words, FAILED) !== 0) break;
        run(args, item, scratch, workspace);
        mine++;
      }
    } catch (error) {
      failure = { pass: p, reason: error instanceof Error ? error.message : String(error) };
      Atomics.store(words, FAILED, 1);
      wakeAll(words, at);
      break;
    }
    if (mine > 0 && Atomics.add(words, at + DONE, mine) + mine === items) {
      Atomics.notify(words, at + DONE);
    }
    awaitPass(words, at + DONE, items);
  }
  return { last: Atomics.add(words, FINISHED, 1) + 1 === words[THREADS], failure };
}
