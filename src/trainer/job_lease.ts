/**
 * Who may write the results of a job: its worker, unless the pool took the job away. Needed since a
 * worker that hangs can't be stopped for certain: Deno 2.9 never stops code that is running in a
 * terminated worker, Deno 2.6 does after two seconds. Should such a worker wake up one day, it must
 * not write into the shared memory, where its job has long been done by another one.
 *
 * One shared number per worker. A job is taken away only while the environment's code runs, which
 * writes nothing there; back from it, the worker finds out before it writes anything.
 */

/** States of a lease. */
const State = {
  /** The environment's code runs, or none: nothing is written now. */
  OUTSIDE: 0,
  /** Our code runs and writes results. */
  WRITING: 1,
  /** The job, and with it the worker, was given up. */
  TAKEN: 2,
} as const;

/** Thrown in a worker whose job was taken away. */
export class JobTaken extends Error {
  override readonly name = "JobTaken";
}

/** One worker's lease on its jobs. */
export class JobLease {
  /** @param state [1] shared between pool and worker */
  constructor(readonly state: Int32Array<SharedArrayBuffer>) {}

  /** A lease that is free. */
  static create(): JobLease {
    return new JobLease(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)));
  }

  /** Worker: from here on nothing is written. */
  enter(): void {
    Atomics.store(this.state, 0, State.OUTSIDE);
  }

  /** Worker: results are about to be written. @throws JobTaken */
  leave(): void {
    const found = Atomics.compareExchange(this.state, 0, State.OUTSIDE, State.WRITING);
    if (found === State.TAKEN) throw new JobTaken("the job was taken away");
  }

  /** Pool: takes the job away. @returns whether it could; not while results are written */
  take(): boolean {
    return Atomics.compareExchange(this.state, 0, State.OUTSIDE, State.TAKEN) === State.OUTSIDE;
  }
}
