/** Time on the wall and time of the processor. */
import process from "node:process";

/** Processor time of this process, all threads together, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What a piece of work took. */
export interface Took {
  /** On the wall. */
  readonly ms: number;
  /** Of the processor, all threads together; it hardly changes when other programs want the cores. */
  readonly processorMs: number;
}

/**
 * Measures `work`, in this process.
 * @param least milliseconds; what is shorter is done again and again, and the mean is taken
 */
export function timed(
  work: () => Promise<unknown> | unknown,
  least = 0,
): () => Promise<Took> {
  return async () => {
    const start = performance.now();
    const used = processorTime();
    let times = 0;
    do {
      await work();
      times++;
    } while (performance.now() - start < least);
    return {
      ms: (performance.now() - start) / times,
      processorMs: (processorTime() - used) / times,
    };
  };
}
