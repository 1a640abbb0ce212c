/** Starts processes, one after the other, until it is told to stop; then says how many. */
let isStopped = false;
globalThis.addEventListener("message", () => isStopped = true);
let count = 0;
while (!isStopped) {
  await new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).output();
  count++;
  await new Promise((resolve) => setTimeout(resolve));
}
(globalThis as unknown as Worker).postMessage(count);
