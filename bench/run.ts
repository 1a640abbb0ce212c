/**
 * `deno task bench`: all benchmarks, one after the other. Each file can be run by itself too; its
 * header says how. Figures of one machine: docs/benchmarks.md.
 */
import { probeAdapter } from "../src/compute/webgpu/adapter.ts";

const adapter = await probeAdapter();
const scripts = ["kernels_cpu.ts", "meta_gradient.ts", "dynamics.ts", "sampling.ts", "jobs.ts"];
if (adapter === null) console.log("webgpu: no adapter was found, so nothing is measured on it");
else scripts.splice(1, 0, "kernels_webgpu.ts");

for (const script of scripts) {
  console.log(`\n# bench/${script}`);
  const path = new URL(script, import.meta.url).pathname;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", path],
  }).spawn().status;
  if (!success) Deno.exit(1);
}
