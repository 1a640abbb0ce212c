/** Whether the system tells the peak. */
export const TELLS_PEAK_MEMORY: boolean = Deno.build.os === "linux";

/** Largest resident size of this process so far, bytes. Linux only. */
export function peakMemory(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  return 1024 * Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)![1]);
}
