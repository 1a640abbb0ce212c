/** Facts about the machine and the programs that results depend on. */
import { probeAdapter } from "../src/compute/webgpu/adapter.ts";
import { adapterName } from "./devices.ts";

/** Name of the processor, where the system tells it. */
function processor(): string {
  try {
    const info = Deno.readTextFileSync("/proc/cpuinfo");
    const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(info)?.[1] ?? "";
    const flags = field("flags").split(" ");
    const simd = ["avx512f", "avx2", "sse4_1"].find((flag) => flags.includes(flag)) ?? "";
    return `${field("model name")} ${simd}`.trim();
  } catch {
    return Deno.build.arch;
  }
}

async function commit(): Promise<string> {
  try {
    const git = async (...args: string[]) => {
      const { stdout } = await new Deno.Command("git", { args, stderr: "null" }).output();
      return new TextDecoder().decode(stdout).trim();
    };
    const changed = await git("status", "--porcelain", "--untracked-files=no", "--", "src");
    return `${await git("rev-parse", "--short", "HEAD")}${changed === "" ? "" : " and changes"}`;
  } catch {
    return "unknown";
  }
}

/**
 * Deno, processor, memory, GPU, how many programs want the cores (mean of the last minute), version
 * of the sources.
 */
export async function describeMachine(): Promise<Record<string, string>> {
  const adapter = await probeAdapter();
  const memory = Deno.systemMemoryInfo().total / 2 ** 30;
  return {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    system: `${Deno.build.os} ${Deno.build.arch}`,
    processor: processor(),
    cores: `${navigator.hardwareConcurrency}`,
    memory: `${memory.toFixed(0)} GiB`,
    gpu: adapter === null
      ? "none found"
      : adapter.isSoftware
      ? `none, only a software driver: ${adapterName(adapter)}`
      : adapterName(adapter),
    load: Deno.loadavg()[0].toFixed(2),
    sources: await commit(),
  };
}
