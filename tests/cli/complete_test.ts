import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";
import { inTemporaryFolder, metarl } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");

Deno.test({
  name: "metarl complete proposes commands, options, values, files and runs",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      Deno.mkdirSync(`${folder}/configs`);
      Deno.mkdirSync(`${folder}/runs/first`, { recursive: true });
      Deno.mkdirSync(`${folder}/runs/empty`);
      for (const path of ["configs/a.json", "b.json", "notes.txt", "runs/first/params.json"]) {
        Deno.writeTextFileSync(`${folder}/${path}`, "{}");
      }
      /** Proposals for the last word, without descriptions. */
      const propose = async (...words: string[]) => {
        const { code, stdout } = await metarl(["complete", "--", ...words], folder);
        assert.equal(code, 0);
        const lines = stdout.trim().split("\n");
        assert.match(lines.pop()!, /^:\d+$/, "ends with the directive");
        return lines.map((line) => line.split("\t")[0]);
      };
      assert.deepEqual(await propose("m"), ["mmaml"]);
      assert.deepEqual(await propose("mmaml", "--se"), ["--set", "--seed"]);
      assert.deepEqual(await propose("promp", "--device", ""), ["auto", "webgpu", "cpu"]);
      assert.deepEqual(await propose("promp", "--device", "w"), ["webgpu"]);
      assert.deepEqual(await propose("mmaml", ""), ["b.json", "configs/a.json"]);
      assert.deepEqual(await propose("mmaml", "configs/"), ["configs/a.json"]);
      assert.deepEqual(await propose("mmaml", "--resume", ""), ["runs/first"]);
      assert.deepEqual(await propose("mmaml", "--init", "runs/f"), ["runs/first"]);
      assert.deepEqual(await propose("promp", "--env", "Walker2DT"), ["Walker2DTargetLocation"]);
      assert.deepEqual(await propose("promp", "--env", "b"), ["b.json"]);
      assert.deepEqual(await propose("envs", "Hopper"), ["HopperRandParamsEnv"]);
      assert.deepEqual(await propose("envs", "check", "Hopper"), ["HopperRandParamsEnv"]);
    }),
});

Deno.test({
  name: "metarl complete prints a script for each shell",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      for (const shell of ["bash", "zsh", "fish", "powershell"]) {
        const { code, stdout, stderr } = await metarl(["complete", shell], folder);
        assert.equal(code, 0, shell);
        assert.equal(stderr, "");
        assert.match(stdout, /metarl.* complete/s, shell);
      }
    }),
});
