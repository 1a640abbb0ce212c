/** What the machine has: processor, memory, disk, GPU. */
import { inspectAdapter } from "../../compute/webgpu/adapter.ts";
import { type DiskFacts, isOutOfSpace, measureDisk } from "../../run/disk.ts";
import { describeMachine } from "../../run/provenance.ts";
import { messageOf } from "../../util/errors.ts";
import { type Finding, formatBytes } from "./finding.ts";

/** Below this a run of a published configuration has no room; bytes. */
const LEAST_MEMORY = 2 ** 30;
const LEAST_DISK = 2 ** 30;
/** Written to measure the disk. */
const DISK_BYTES = 64 * 2 ** 20;
const QUICK_DISK_BYTES = 2 ** 20;

/** Processor and runtime. */
export function findMachine(): Finding {
  const machine = describeMachine();
  const { platform, cpu, cores, deno, v8 } = machine;
  return {
    status: "ok",
    name: "machine",
    detail: [platform, cpu, `${cores} cores`, `Deno ${deno}`, `V8 ${v8}`]
      .filter((part) => part !== null).join(", "),
    data: { ...machine },
  };
}

/** Main memory. */
export function findMemory(): Finding {
  const { total, available } = Deno.systemMemoryInfo();
  const enough = available >= LEAST_MEMORY;
  return {
    status: enough ? "ok" : "FAILED",
    name: "memory",
    detail: `${formatBytes(available)} of ${formatBytes(total)} available`,
    data: { totalBytes: total, availableBytes: available },
    ...(enough ? {} : {
      advice: `close other programs, or take a smaller "meta_batch_size": a run needs about ` +
        formatBytes(LEAST_MEMORY),
    }),
  };
}

const MAKE_ROOM = `make room, or put runs elsewhere with --out; ${formatBytes(LEAST_DISK)} is ` +
  "enough";

/** Whether what the disk can do is enough. */
export function judgeDisk(facts: DiskFacts): Finding {
  const { folder, freeBytes, bytesPerSecond } = facts;
  const free = freeBytes === null ? "free space unknown" : `${formatBytes(freeBytes)} free`;
  const enough = freeBytes === null || freeBytes >= LEAST_DISK;
  return {
    status: enough ? "ok" : "FAILED",
    name: "disk",
    detail: `${folder}: ${free}${
      bytesPerSecond === null ? "" : `, writes ${formatBytes(bytesPerSecond)}/s`
    }`,
    data: { ...facts },
    ...(enough ? {} : { advice: MAKE_ROOM }),
  };
}

/** The disk under the folder that runs go to. */
export function findDisk(folder: string, isQuick: boolean): Finding {
  try {
    return judgeDisk(measureDisk(folder, isQuick ? QUICK_DISK_BYTES : DISK_BYTES));
  } catch (error) {
    const advice = isOutOfSpace(error)
      ? MAKE_ROOM
      : "work in a folder that you may write to, or put runs elsewhere with --out";
    return { status: "FAILED", name: "disk", detail: messageOf(error), advice };
  }
}

/** What was found of a GPU. */
export type GpuKind = "none" | "software" | "hardware";

/** The WebGPU adapter and its limits; without one everything runs on the CPU. */
export async function findGpu(): Promise<{ kind: GpuKind; findings: Finding[] }> {
  const found = await inspectAdapter();
  if (found === null) {
    const detail = "no WebGPU adapter: everything runs on the CPU, which is enough; a GPU needs " +
      "its driver, on Linux with Vulkan and its loader (libvulkan1)";
    const data = { adapter: null };
    return { kind: "none", findings: [{ status: "none", name: "GPU", detail, data }] };
  }
  const { adapter, limits } = found;
  const title = adapter.description || adapter.device || "adapter without a name";
  const note = adapter.isSoftware ? " (software: the CPU's own kernels are faster)" : "";
  return {
    kind: adapter.isSoftware ? "software" : "hardware",
    findings: [
      { status: "ok", name: "GPU", detail: title + note, data: { adapter } },
      {
        status: "ok",
        name: "GPU limits",
        detail: `buffers ${formatBytes(limits.maxBufferSize)}, bindings ` +
          `${formatBytes(limits.maxStorageBufferBindingSize)}, workgroups ` +
          `${limits.maxComputeInvocationsPerWorkgroup} threads and ` +
          `${limits.maxComputeWorkgroupStorageSize / 1024} KiB`,
        data: { limits },
      },
    ],
  };
}
