/** Where the sampling worker's module is; a bundle keeps it beside its other files. */
export function samplerWorkerUrl(): string {
  return new URL("./sampler_worker.ts", import.meta.url).href;
}
