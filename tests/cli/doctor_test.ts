/** `metarl doctor`: what it finds on a sound machine, and that it fails where something is wrong. */
import assert from "node:assert/strict";
import { checkHost, checkKernels } from "../../src/cli/doctor/golden.ts";
import { forecast, tooLarge } from "../../src/cli/doctor/forecast.ts";
import { findDisk, findMemory, judgeDisk } from "../../src/cli/doctor/machine.ts";
import { measureDisk } from "../../src/run/disk.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { builtinFixtures } from "../../src/golden/builtin.ts";
import { readFixtures } from "../../src/golden/fixture.ts";
import { lacks, testNeeding } from "../permissions.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");
const ROOT = new URL("../../", import.meta.url).pathname;

interface DoctorReport {
  readonly type: string;
  readonly ok: boolean;
  readonly failed: string[];
  readonly findings: {
    readonly name: string;
    readonly status: string;
    readonly detail: string;
    readonly advice?: string;
    readonly data?: Record<string, unknown>;
  }[];
}

/** Names of all kernels, out of the kernel table. */
function allKernels(): string[] {
  const table = Deno.readTextFileSync(`${ROOT}src/compute/kernels.ts`);
  return [...table.matchAll(/readonly kernel: "(\w+)"/g)].map(([, name]) => name).sort();
}

function cliTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_PROCESSES, fn: () => inTemporaryFolder(body) });
}

cliTest("metarl doctor --quick finds a sound machine and leaves nothing behind", async (folder) => {
  const { code, stdout, stderr } = await metarl(["doctor", "--quick", "--json"], folder);
  assert.deepEqual([code, stderr], [0, ""], stdout);
  const report: DoctorReport = JSON.parse(stdout);
  assert.deepEqual([report.type, report.ok, report.failed], ["doctor", true, []]);
  const found = new Map(report.findings.map((finding) => [finding.name, finding]));
  for (const name of ["machine", "memory", "disk", "GPU", "physics", "sampling"]) {
    assert.ok(found.has(name), name);
  }
  for (const device of ["reference", "cpu"]) {
    const { status, data } = found.get(`kernels on ${device}`)!;
    assert.equal(status, "ok");
    // a kernel without golden numbers would be trusted unseen
    assert.deepEqual((data!.kernels as string[]).toSorted(), allKernels());
  }
  assert.ok((found.get("disk")!.data!.freeBytes as number) > 0);
  assert.match(found.get("physics")!.detail, /^8 robots along golden trajectories/);
  assert.deepEqual(namesIn(folder), []);
});

cliTest("metarl doctor fails where runs can't be written, and says what to do", async (folder) => {
  const { code, stdout } = await metarl(["doctor", "--quick", "--out", "/proc/none"], folder);
  assert.equal(code, 1);
  assert.match(stdout, /^FAILED {2}disk .*can't write below \/proc\/none: /m);
  assert.match(stdout, /^ {8,}what to do: work in a folder that you may write to/m);
  assert.match(stdout, /\n1 of \d+ failed: disk\n$/);
});

cliTest(
  "metarl doctor that is killed while it measures the disk leaves nothing",
  async (folder) => {
    const script = `import { measureDisk } from ${JSON.stringify(`${ROOT}src/run/disk.ts`)};
    const { openSync } = Deno;
    Deno.openSync = (...args) => {
      const file = openSync(...args);
      file.syncSync = () => Deno.kill(Deno.pid, "SIGKILL");
      return file;
    };
    measureDisk(".", 65536);`;
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      cwd: folder,
      stderr: "null",
    }).output();
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(namesIn(folder), []);
  },
);

Deno.test("checkKernels() says that a device doesn't start, as a finding", async () => {
  const adam = builtinFixtures().filter(({ kind }) => kind === "adam");
  const create = CpuDevice.create;
  CpuDevice.create = () => Promise.reject(new Error("WebAssembly.Module(): bad magic"));
  try {
    const { status, detail, advice } = await checkKernels("cpu", adam);
    assert.deepEqual([status, detail], ["FAILED", "WebAssembly.Module(): bad magic"]);
    assert.match(advice!, /^try another version of Deno/);
  } finally {
    CpuDevice.create = create;
  }
});

testNeeding("sys")("findMemory() fails where there is less than a run needs", () => {
  const found = (available: number) => {
    const { systemMemoryInfo } = Deno;
    Deno.systemMemoryInfo = () => ({ ...systemMemoryInfo(), total: 8 * 2 ** 30, available });
    try {
      return findMemory();
    } finally {
      Deno.systemMemoryInfo = systemMemoryInfo;
    }
  };
  assert.equal(found(2 ** 30).status, "ok");
  const { status, detail, advice } = found(2 ** 30 - 1);
  assert.deepEqual([status, detail], ["FAILED", "1024 MiB of 8.0 GiB available"]);
  assert.match(advice!, /^close other programs/);
});

cliTest("metarl doctor --dump-kernels prints WGSL", async (folder) => {
  const { code, stdout } = await metarl(["doctor", "--dump-kernels"], folder);
  assert.equal(code, 0);
  assert.match(stdout, /^\/\/ ---- \w+ ----\n/);
  assert.ok(stdout.split("@compute").length > 20);
});

testNeeding("read")("builtinFixtures() are the files of tests/golden", async () => {
  assert.deepEqual(builtinFixtures(), await readFixtures(`${ROOT}tests/golden`));
});

testNeeding("read")("checkKernels() fails on a number that is not the golden one", async () => {
  const adam = structuredClone(builtinFixtures().find(({ kind }) => kind === "adam")!);
  const sound = await checkKernels("reference", [adam]);
  assert.equal(sound.status, "ok");
  const { expected } = adam.content as { expected: { tensorflow: number[][] } };
  expected.tensorflow[1][2] *= 1 + 1e-4;
  for (const kind of ["reference", "cpu"] as const) {
    const { status, detail, advice } = await checkKernels(kind, [adam]);
    assert.equal(status, "FAILED");
    assert.match(
      detail,
      /^1 of 1 golden files differ; error \S+e-[45] of \S+ \(adam\): tensorflow step 2$/,
    );
    assert.ok(advice !== undefined && advice.length > 20);
  }
});

testNeeding("read")("checkHost() fails on another trajectory", async () => {
  const robot = structuredClone(builtinFixtures().find(({ name }) => name === "physics_reacher")!);
  const facts = robot.content.facts as { body: { mass: number[] } };
  facts.body.mass[1] *= 1.001;
  const others = builtinFixtures().filter(({ kind }) => kind === "point_env");
  const [physics, sampling] = await checkHost([robot, ...others]);
  assert.deepEqual([physics.status, sampling.status], ["FAILED", "ok"]);
  assert.match(physics.detail, /physics_reacher/);
});

Deno.test("judgeDisk() fails below 1 GiB, and where it is known alone", () => {
  const found = (freeBytes: number | null) =>
    judgeDisk({ folder: "/x", freeBytes, bytesPerSecond: 2 ** 30 });
  assert.equal(found(2 ** 30).status, "ok");
  assert.equal(found(null).detail, "/x: free space unknown, writes 1.0 GiB/s");
  assert.equal(found(null).status, "ok");
  const { status, detail, advice } = found(2 ** 29);
  assert.deepEqual([status, detail], ["FAILED", "/x: 512 MiB free, writes 1.0 GiB/s"]);
  assert.match(advice!, /^make room, or put runs elsewhere with --out/);
});

testNeeding("read", "write", "sys")("findDisk() asks for room where there is none", async () => {
  await inTemporaryFolder((folder) => {
    // what a disk without blocks, inodes or a quota left answers
    const { makeTempFileSync } = Deno;
    Deno.makeTempFileSync = () => {
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    };
    try {
      const { status, detail, advice } = findDisk(folder, true);
      assert.equal(status, "FAILED");
      assert.match(detail, /^can't write below .*: No space left on device$/);
      assert.match(advice!, /^make room, or put runs elsewhere with --out/);
    } finally {
      Deno.makeTempFileSync = makeTempFileSync;
    }
    return Promise.resolve();
  });
});

testNeeding("read", "write", "sys")("measureDisk() fills no disk to measure it", async () => {
  await inTemporaryFolder((folder) => {
    const { freeBytes, bytesPerSecond } = measureDisk(folder, Number.MAX_SAFE_INTEGER / 4);
    assert.ok(freeBytes! > 0);
    assert.equal(bytesPerSecond, null);
    const { detail } = judgeDisk({ folder: "/x", freeBytes: 2 ** 20, bytesPerSecond });
    assert.equal(detail, "/x: 1 MiB free");
    assert.deepEqual(namesIn(folder), []);
    return Promise.resolve();
  });
});

testNeeding("read", "write", "sys")("findDisk() measures below the nearest folder", async () => {
  await inTemporaryFolder((folder) => {
    const { status, data } = findDisk(`${folder}/a/b`, true);
    assert.equal(status, "ok");
    assert.equal(data!.folder, folder);
    assert.ok((data!.bytesPerSecond as number) > 0);
    assert.deepEqual(namesIn(folder), []);
    return Promise.resolve();
  });
});

testNeeding("read", "sys")("forecast() multiplies what a part of the tasks takes", async () => {
  // as slow as this only a quarter of the rollouts of one task per worker is measured
  const found = await forecast("point_env_momentum_dense", 1, "cpu", () => {});
  assert.equal(found.measuredShare, found.workers * 5 / (40 * 20));
  assert.equal(found.environmentStepsPerIteration, 240_000);
  assert.equal(found.expectedSeconds, 401 * found.secondsPerIteration);
  assert.ok(found.secondsPerIteration > 0.05 && found.residentBytes > 50e6);
  const { residentBytes } = found;
  assert.deepEqual(tooLarge([found], residentBytes), []);
  const [{ status, name, detail }] = tooLarge([found], residentBytes - 1);
  assert.deepEqual([status, name], ["FAILED", "memory"]);
  assert.match(detail, /^point_env_momentum_dense needs [\d.]+ [MG]iB, there are [\d.]+ [MG]iB$/);
});
