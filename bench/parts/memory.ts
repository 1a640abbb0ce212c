/**
 * Peak of the resident memory of a process that computes the meta-gradients and nothing else, data
 * and runtime included, beside PyTorch's on the same data.
 */
import { probeAdapter } from "../../src/compute/webgpu/adapter.ts";
import { MetaCase, metaCases } from "../meta_case.ts";
import { TELLS_PEAK_MEMORY } from "../peak_memory.ts";
import { type Allocator, findTorch, TorchPeer } from "../peers/torch.ts";
import { runProgram } from "../process.ts";
import { type Choice, type Effort, ratioOf, type Report } from "../results.ts";

const PART = "memory";

/** Peak of PyTorch after two meta-gradients, all tasks in one graph, as it comes. */
async function torchPeak(folder: string, allocator: Allocator): Promise<number> {
  const peer = await TorchPeer.start("torch_promp.py", allocator);
  await peer.ask({ do: "load", folder, chunk: 40 });
  for (let i = 0; i < 2; i++) await peer.ask({ do: "gradient" });
  const { peak } = await peer.ask({ do: "memory" });
  await peer.stop();
  return peak;
}

export async function benchMemory(
  report: Report,
  effort: Effort,
  choice: Choice,
): Promise<void> {
  if (!TELLS_PEAK_MEMORY) {
    report.missing(PART, "peak of the resident memory", `not known on ${Deno.build.os}`);
    return;
  }
  const torch = await findTorch(report, PART, choice);
  const devices = ["cpu", ...(await probeAdapter() === null ? [] : ["webgpu"])];
  for (const [shape, algorithm] of metaCases(effort.quick)) {
    const { name } = new MetaCase(shape, algorithm);
    if (!choice.wants(name)) continue;
    const ours: Record<string, number[]> = {};
    for (const device of devices) {
      ours[device] = [];
      for (let turn = 0; turn < effort.least; turn++) {
        const { stdout } = await runProgram(Deno.execPath(), [
          ...["run", "-A", "--no-check", "--quiet", "bench/memory_case.ts"],
          ...[shape.name, algorithm, device, ...(effort.quick ? ["--quick"] : [])],
        ]);
        ours[device].push(Number(stdout) / 1e6);
      }
      report.figure(PART, name, device, "MB", ours[device]);
    }
    if (torch === null) continue;
    const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
    await new MetaCase(shape, algorithm).write(folder);
    for (const allocator of ["default", "tuned"] satisfies Allocator[]) {
      const peaks: number[] = [];
      for (let turn = 0; turn < effort.least; turn++) {
        peaks.push(await torchPeak(folder, allocator) / 1e6);
      }
      const subject = allocator === "tuned" ? "PyTorch, tuned malloc" : "PyTorch";
      report.figure(PART, name, subject, "MB", peaks);
      const more = allocator === "default" ? { goal: 2 } : {};
      report.ratio(PART, name, `${subject} / cpu`, ratioOf(peaks, ours.cpu), more);
    }
    await Deno.remove(folder, { recursive: true });
  }
}
