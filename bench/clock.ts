/** Time on the wall and time of the processor. */
import process from "node:process";

/** Processor time of this process, all threads together, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Whether the system tells the processor time of programs that ended. */
export const TELLS_PROCESSOR_TIME_OF_PROGRAMS: boolean = Deno.build.os === "linux";

/** Processor time of all programs that this process started and that have ended, in steps of 10 ms. */
export function processorTimeOfPrograms(): number {
  // fields from the third on; the name before them may have spaces
  const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /s, "").split(" ");
  const [user, system] = fields.slice(13, 15).map(Number);
  return 10 * (user + system);
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
