/** Tests of `metarl embed`. */
import assert from "node:assert/strict";
import { embed, type EmbedOptions } from "../../src/cli/embed_run.ts";
import { readNpy } from "../../src/run/npy.ts";
import { trainInto } from "../evaluation/trained_run.ts";
import { testNeeding } from "../permissions.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const test = testNeeding("read", "write");
const testInProcess = testNeeding("read", "write", "run");

const MODEL = new URL("../../models/famle_reacher.safetensors", import.meta.url).pathname;
const MAML_MODEL = new URL("../../models/famle_reacher_maml.safetensors", import.meta.url).pathname;

const ALL = [
  ...["embed.json", "embedding.png", "embedding.svg", "embeddings.npy", "modes.npy", "pca.npy"],
  ...["tasks.npy", "tsne.npy"],
];

async function embedded(path: string, options: EmbedOptions): Promise<MemoryOutput> {
  const output = new MemoryOutput();
  await embed(path, options, output);
  return output;
}

function shapeOf(folder: string, name: string): string {
  const { type, shape } = readNpy(Deno.readFileSync(`${folder}/${name}`), name);
  return `${type} ${shape.join("x")}`;
}

test("embed writes arrays, a picture and numbers, the same bytes with any number of workers", () =>
  inTemporaryFolder(async (folder) => {
    const run = `${folder}/run`;
    await trainInto(run, "mmaml");
    const output = await embedded(run, { tasks: "45", workers: "1" });
    const out = `${run}/embed`;
    assert.deepEqual(namesIn(out), ALL);
    // cells of the encoder 6, a task is a goal of 2 numbers
    assert.equal(shapeOf(out, "embeddings.npy"), "float32 45x6");
    assert.equal(shapeOf(out, "tasks.npy"), "float64 45x2");
    assert.equal(shapeOf(out, "modes.npy"), "int32 45");
    for (const name of ["pca.npy", "tsne.npy"]) assert.equal(shapeOf(out, name), "float64 45x2");
    const text = output.lines.join("\n");
    assert.match(text, /run: mmaml on MetaPointEnvMomentumModes, checkpoint of 2 iterations, /);
    assert.match(text, /trained +untrained encoder/);
    assert.match(text, /silhouette of the modes \(Euclidean distance\) +-?0\.\d{3} +-?0\.\d{3}/);
    const svg = await Deno.readTextFile(`${out}/embedding.svg`);
    assert.match(svg, /mode 3, near \(5, 5\)/);
    assert.equal(svg.match(/<circle/g)!.length, 4 + 2 * 45);

    const again = { tasks: "45", workers: "2", out: `${folder}/again`, json: true } as const;
    const json = JSON.parse((await embedded(run, again)).lines[0]);
    for (const name of ALL.filter((name) => name !== "embed.json")) {
      const [first, second] = [out, again.out].map((path) => Deno.readFileSync(`${path}/${name}`));
      assert.deepEqual(second, first, name);
    }
    const { files, ...numbers } = JSON.parse(Deno.readTextFileSync(`${out}/embed.json`));
    assert.equal(files.length, ALL.length - 1);
    assert.deepEqual({ ...json, files }, { ...numbers, files });
    for (const part of [json, json.untrained]) {
      assert.ok(part.silhouette >= -1 && part.silhouette <= 1);
      assert.ok(part.purity >= 0.25 && part.purity <= 1);
      assert.ok(part.chance > 0.25 && part.chance < 0.6);
    }
    // another seed: other tasks
    const other = { ...again, out: `${folder}/other`, seed: "2" };
    await embedded(run, other);
    assert.notDeepEqual(
      Deno.readFileSync(`${other.out}/tasks.npy`),
      Deno.readFileSync(`${out}/tasks.npy`),
    );
    // a script that doesn't say where gets no files
    await embedded(run, { tasks: "10", workers: "1", json: true, checkpoint: "2" });
    assert.deepEqual(namesIn(folder), ["again", "other", "run"]);
  }));

test("embed colours tasks without modes by where their goals lie", () =>
  inTemporaryFolder(async (folder) => {
    const run = `${folder}/run`;
    await trainInto(run, "mmaml", { env: "MetaPointEnvMomentum1Mode" });
    const output = await embedded(run, { tasks: "12", workers: "1" });
    assert.match(output.lines.join("\n"), /the tasks have no two modes that could lie apart/);
    const svg = await Deno.readTextFile(`${run}/embed/embedding.svg`);
    assert.match(svg, /goal at 0 to 60°/);
    const { silhouette, untrained } = JSON.parse(
      Deno.readTextFileSync(`${run}/embed/embed.json`),
    );
    assert.deepEqual([silhouette, untrained], [null, null]);
  }));

test("embed draws the situations of a FAMLE model by name", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.mkdir(`${folder}/trained`);
    await Deno.copyFile(MODEL, `${folder}/trained/model.safetensors`);
    const output = await embedded(`${folder}/trained/`, {});
    const out = `${folder}/trained/embed`;
    assert.deepEqual(namesIn(out), ALL.filter((name) => name !== "modes.npy"));
    assert.equal(shapeOf(out, "embeddings.npy"), "float32 11x8");
    assert.match(output.lines.join("\n"), /famle on famle_reacher, 11 embeddings of 8 numbers/);
    const svg = await Deno.readTextFile(`${out}/embedding.svg`);
    for (const name of ["healthy", "joint 0 dead", "joint 4 reversed"]) {
      assert.ok(svg.includes(`>${name}<`), name);
    }
    const { names } = JSON.parse((await embedded(MODEL, { json: true })).lines[0]);
    assert.equal(names.length, 11);
  }));

testInProcess(
  "embed refuses what it can't embed with one line and exit code 2",
  () =>
    inTemporaryFolder(async (folder) => {
      const at = (name: string) => `${folder}/${name}`;
      await trainInto(at("promp"), "promp");
      await trainInto(at("mmaml"), "mmaml");
      await embedded(at("mmaml"), { tasks: "10", workers: "1" });
      await Deno.mkdir(at("empty"));
      for (const name of ["none", "damaged"]) {
        await Deno.mkdir(at(`${name}/checkpoints`), { recursive: true });
        await Deno.copyFile(at("mmaml/params.json"), at(`${name}/params.json`));
      }
      const [checkpoint] = namesIn(at("mmaml/checkpoints"));
      const bytes = await Deno.readFile(at(`mmaml/checkpoints/${checkpoint}`));
      bytes[bytes.length - 3] ^= 1;
      await Deno.writeFile(at(`damaged/checkpoints/${checkpoint}`), bytes);
      const cases: readonly (readonly [string[], RegExp])[] = [
        [
          ["promp"],
          /^error: can't embed tasks with promp: promp has no task encoder; give a run of/,
        ],
        [["missing"], /^error: missing is not a run folder: there is no such folder/],
        [["empty"], /^error: empty is not a run folder: there is no params.json in it/],
        [["none"], /^error: the run none has no checkpoint yet/],
        [["damaged", "--checkpoint", "2"], /^error: .*checkpoint-000002.safetensors.*checksum/],
        [
          ["mmaml", "--checkpoint", "7"],
          /^error: .* has no checkpoint of 7 iterations; there are 2/,
        ],
        [["mmaml"], /^error: there is a file mmaml\/embed\/embeddings.npy already; .* --force/],
        [["mmaml", "--out", MODEL], /^error: can't create the folder .*--out/],
        [
          ["mmaml", "--tasks", "9"],
          /^error: --tasks must be a whole number from 10 to 2000; got 9/,
        ],
        [[MODEL], /is a file: say with --out where the results should go/],
        [[MODEL, "--tasks", "20"], /^error: --tasks can't be combined with a FAMLE model/],
        [[MAML_MODEL, "--out", "x"], /^error: can't draw the embeddings of .*: it has 1; wanted /],
        [
          ["mmaml/params.json", "--out", "x"],
          /^error: can't use .*params.json: it is not a metarl c/,
        ],
      ];
      const before = namesIn(folder);
      for (const [args, line] of cases) {
        const { code, stdout, stderr } = await metarl(["embed", ...args], folder);
        assert.match(stderr, line);
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
        assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      }
      assert.deepEqual(namesIn(folder), before);
      const again = await metarl(["embed", "mmaml", "--tasks", "10", "--force"], folder);
      assert.equal(again.code, 0, again.stderr);
    }),
);
