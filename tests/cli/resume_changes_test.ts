/** A run that is continued elsewhere: what is another one is told, a line each, and it goes on. */
import assert from "node:assert/strict";
import { train } from "../../src/cli/train.ts";
import { VERSION } from "../../src/cli/version.ts";
import { describeMachine, deviceChange, machineChanges } from "../../src/run/provenance.ts";
import { readRunParams } from "../../src/run/run_dir.ts";
import { TINY } from "../trainer/tiny.ts";
import { testNeeding } from "../permissions.ts";
import { fakeTrainer } from "./fake_trainer.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl } from "./metarl_process.ts";

const test = testNeeding("read", "write");
const processTest = testNeeding("read", "write", "run");

const OLD_MACHINE = { platform: "plan9 pdp11", cpu: "abacus", deno: "0.1.0", v8: "6.9" };

/** Starts a run of one iteration in a folder; gives its path. */
async function startedIn(folder: string): Promise<string> {
  const run = `${folder}/run`;
  const options = { out: run, iterations: "1" };
  await train("promp", undefined, options, new MemoryOutput(), fakeTrainer());
  return run;
}

/** What of params.json these tests change. */
interface Params {
  metarl_version: string;
  device: string;
  config: Record<string, unknown>;
  provenance: Record<string, unknown> & { machine: Record<string, unknown> };
}

function editParams(run: string, edit: (params: Params) => void): void {
  const path = `${run}/params.json`;
  const params = JSON.parse(Deno.readTextFileSync(path));
  edit(params);
  Deno.writeTextFileSync(path, JSON.stringify(params));
}

/** Makes a run look as if it was started elsewhere, long ago. */
function pretend(run: string): void {
  editParams(run, (params) => {
    params.metarl_version = "0.0.1";
    params.device = "webgpu: a card of old";
    Object.assign(params.provenance.machine, OLD_MACHINE);
    // it had other keys then, which says nothing
    params.provenance.configSha256 = "0".repeat(64);
  });
}

/** The lines about a run that {@link pretend} has changed, started where this test runs. */
function expected(run: string): string[] {
  const { platform, cpu, deno, v8 } = describeMachine();
  const differ = "numbers may differ slightly";
  return [
    `${run} was started by metarl 0.0.1, this is ${VERSION}`,
    `the platform was plan9 pdp11, is ${platform}: ${differ}`,
    ...cpu === null ? [] : [`the processor was abacus, is ${cpu}: ${differ}`],
    `Deno was 0.1.0, is ${deno}: ${differ}`,
    `V8 was 6.9, is ${v8}: ${differ}`,
  ];
}

test("a resumed run says what is another one than when it was started", async () => {
  await inTemporaryFolder(async (folder) => {
    const run = await startedIn(folder);
    const again = async (iterations: string) => {
      const output = new MemoryOutput();
      await train("promp", undefined, { resume: run, iterations }, output, fakeTrainer());
      return output.errors;
    };
    assert.equal((await again("2")).length, 2, "nothing is another one: where it goes on, device");
    pretend(run);
    const lines = await again("3");
    assert.deepEqual(lines.slice(0, -2), expected(run));
    const log = Deno.readTextFileSync(`${run}/log.txt`).split("\n");
    for (const line of expected(run)) assert.ok(log.includes(line), line);
  });
});

test("a run whose environment or settings are other ones says so", async () => {
  await inTemporaryFolder(async (folder) => {
    const run = await startedIn(folder);
    // as if it was killed before its first checkpoint, which knows the settings as well
    Deno.removeSync(`${run}/checkpoints`, { recursive: true });
    Deno.mkdirSync(`${run}/checkpoints`);
    editParams(run, ({ config, provenance }) => {
      config.learning_rate = 0.25;
      provenance.environmentSha256 = "0".repeat(64);
    });
    const output = new MemoryOutput();
    await train("promp", undefined, { resume: run }, output, fakeTrainer());
    assert.deepEqual(output.errors.slice(0, 2), [
      `the tables of MetaPointEnvMomentumModes are others than when ${run} was started`,
      `the configuration in ${run}/params.json is not the one that it was started with`,
    ]);
  });
});

test("what can't be what a run depends on is refused", async () => {
  await inTemporaryFolder(async (folder) => {
    const run = await startedIn(folder);
    const text = Deno.readTextFileSync(`${run}/params.json`);
    const { machine } = JSON.parse(text).provenance;
    const wrong: readonly Record<string, unknown>[] = [
      ...[{ machine: null }, { machine: [] }, { machine: { ...machine, cores: "2" } }],
      ...[{ machine: { ...machine, platform: { a: 1 } } }, { machine: { ...machine, v8: null } }],
      ...[{ sources: 5 }, { sources: { seed: 1 } }, { sources: ["a"] }],
      ...[{ configSha256: "0" }, { environmentSha256: 7 }],
    ];
    for (const part of wrong) {
      Deno.writeTextFileSync(`${run}/params.json`, text);
      editParams(run, ({ provenance }) => Object.assign(provenance, part));
      assert.throws(() => readRunParams(run), { code: "params-damaged" }, JSON.stringify(part));
    }
    Deno.writeTextFileSync(`${run}/params.json`, text.replace('"metarl_version": "', '"x": "'));
    assert.throws(() => readRunParams(run), { code: "params-damaged" });
    Deno.writeTextFileSync(`${run}/params.json`, text.replace('"provenance"', '"x"'));
    assert.equal(readRunParams(run).provenance, undefined);
  });
});

processTest(
  "nothing that params.json says is obeyed by a terminal, nor kept in log.txt",
  async () => {
    await inTemporaryFolder(async (folder) => {
      const start = ["promp", "--overrides", JSON.stringify({ ...TINY, n_itr: 1 }), "--out", "run"];
      assert.equal((await metarl(start, folder)).code, 0);
      const evil = "\x1b[2J\x9b\u202e\r";
      editParams(`${folder}/run`, (params) => {
        params.device = params.metarl_version = evil;
        params.provenance.machine.cpu = evil;
      });
      const { code, stderr } = await metarl(
        ["promp", "--resume", "run", "--iterations", "2", "--no-report"],
        folder,
      );
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^the run was on \\u001b\[2J\\u009b\\u202e\\u000d, is on cpu: /m);
      const log = Deno.readTextFileSync(`${folder}/run/log.txt`);
      assert.match(log, /^the processor was \\u001b\[2J/m);
      assert.doesNotMatch(stderr + log, /[^\P{Cc}\n]|\p{Bidi_Control}/u);
    });
  },
);

processTest("the real commands say it too, the device with them, and go on", async () => {
  await inTemporaryFolder(async (folder) => {
    const few = ["--set", "candidates=40", "--set", "horizon=2", "--episode-length", "3"];
    const commands: [string, string[], string[]][] = [
      ["promp", ["promp", "--overrides", JSON.stringify({ ...TINY, n_itr: 1 })], [
        ...["--iterations", "2"],
      ]],
      ["collect", ["famle", "collect", "--iterations", "1", "--device", "cpu", ...few], [
        ...["--device", "cpu"],
      ]],
      [
        "train",
        ["famle", "train", "collect", "--iterations", "100", "--set", "inner_iter=1"].concat([
          ...["--device", "cpu"],
        ]),
        ["--device", "cpu"],
      ],
    ];
    for (const [run, start, more] of commands) {
      const command = start[0] === "famle" ? start.slice(0, 2) : start.slice(0, 1);
      const first = await metarl([...start, "--out", run], folder);
      assert.equal(first.code, 0, first.stderr);
      const { provenance } = JSON.parse(Deno.readTextFileSync(`${folder}/${run}/params.json`));
      for (const name of ["configSha256", "environmentSha256"]) {
        assert.match(provenance[name], /^[0-9a-f]{64}$/);
      }
      pretend(`${folder}/${run}`);
      const { code, stderr } = await metarl([...command, "--resume", run, ...more], folder);
      assert.equal(code, 0, stderr);
      const lines = stderr.split("\n");
      const place = lines.filter((line) => !line.startsWith("the processor"));
      for (const line of expected(run).filter((line) => !line.startsWith("the processor"))) {
        assert.ok(place.includes(line), `${run}: ${line}\n${stderr}`);
      }
      assert.match(stderr, /^the run was on webgpu: a card of old, is on cpu: .*slightly$/m);
    }
  });
});

Deno.test("machineChanges() leaves out what is the same, unknown or of no consequence", () => {
  const machine = {
    ...{ platform: "a", cpu: "b", cores: 2, memoryGiB: 8, deno: "2.9.6", v8: "15" },
  };
  assert.deepEqual(machineChanges(machine, machine), []);
  assert.deepEqual(machineChanges(machine, { ...machine, cores: 64, memoryGiB: null }), []);
  assert.deepEqual(machineChanges(machine, { ...machine, cpu: null }), []);
  assert.deepEqual(machineChanges(machine, { ...machine, v8: "14" }), [
    "V8 was 15, is 14: numbers may differ slightly",
  ]);
});

Deno.test("deviceChange() does not count threads", () => {
  const wasm = "cpu: WASM SIMD";
  assert.equal(deviceChange(null, wasm), null);
  assert.equal(deviceChange(`${wasm}, 2 threads`, `${wasm}, 1 thread`), null);
  assert.equal(
    deviceChange(`${wasm}, 2 threads`, "webgpu: x"),
    `the run was on ${wasm}, 2 threads, is on webgpu: x: numbers may differ slightly`,
  );
});
