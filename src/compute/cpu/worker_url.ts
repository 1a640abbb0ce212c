/** Where the kernel worker's module is; a bundle keeps it beside its other files. */
export function cpuWorkerUrl(): string {
  return new URL("./cpu_worker.ts", import.meta.url).href;
}
