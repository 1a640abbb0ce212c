/** Tests of `metarl render`. */
import assert from "node:assert/strict";
import { decode } from "fast-png";
import { decode as decodeGif } from "modern-gif";
import { renderRun } from "../../src/cli/render_run.ts";
import { trainInto } from "../evaluation/trained_run.ts";
import { lacks } from "../permissions.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl } from "./metarl_process.ts";

const NEEDS_FILES = lacks("read", "write", "sys");
const NEEDS_PROCESSES = NEEDS_FILES || lacks("run");

/** A reacher's run: 3 rollouts of 12 steps of 0.02 s. */
const REACHER = { env: "Reacher6ModeEnv" };
const SMALL = { size: "96x64", shadows: true, device: "cpu" } as const;

interface Facts {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly speed: number;
  readonly returns: number[];
  readonly innerSteps: number[];
  readonly mode: number;
  readonly device: string;
  readonly bytes: number;
}

/** Renders and gives what `--json` says and the file's bytes. */
async function render(
  run: string,
  out: string,
  options: Partial<Parameters<typeof renderRun>[1]> = {},
): Promise<{ facts: Facts; bytes: Uint8Array }> {
  const output = new MemoryOutput();
  await renderRun(run, { ...SMALL, ...options, out, json: true }, output);
  assert.equal(output.lines.length, 1);
  assert.equal(output.statuses.at(-1) ?? null, null);
  const facts: Facts = JSON.parse(output.lines[0]);
  const bytes = await Deno.readFile(out);
  assert.equal(facts.bytes, bytes.length);
  return { facts, bytes };
}

Deno.test({
  name: "render draws a robot's rollout as GIF, PNG, MP4 and page",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const run = `${folder}/run`;
      await trainInto(run, "mmaml", REACHER);

      const gif = await render(run, `${folder}/a.gif`, { sideBySide: true });
      const read = decodeGif(gif.bytes.slice().buffer);
      // 12 steps of 0.02 s last 0.24 s: a tenth of the speed, so 5 frames a second, one for each
      // step and one for the start
      assert.deepEqual([gif.facts.speed, gif.facts.fps, gif.facts.frames], [0.1, 5, 13]);
      assert.deepEqual([read.frames.length, read.width, read.height], [13, 196, 64]);
      assert.deepEqual(gif.facts.innerSteps, [0, 2]);
      assert.match(gif.facts.device, /^drawn by CPU, as asked$/);

      const before = await render(run, `${folder}/b.png`, { before: true, moments: "4" });
      const sheet = decode(before.bytes);
      // three columns of 96 and two rows of 64, 4 px between
      assert.deepEqual([sheet.width, sheet.height, sheet.channels], [296, 132, 4]);
      assert.deepEqual(before.facts.returns, [gif.facts.returns[0]]);
      // another rollout of the same task starts otherwise
      const other = await render(run, `${folder}/c.png`, { before: true, rollout: "2" });
      assert.notDeepEqual(other.facts.returns, before.facts.returns);

      const mp4 = await render(run, `${folder}/d.mp4`, { steps: "3" });
      assert.equal(new TextDecoder().decode(mp4.bytes.subarray(4, 8)), "ftyp");
      assert.deepEqual(mp4.facts.innerSteps, [3]);

      const page = new TextDecoder().decode((await render(run, `${folder}/e.html`)).bytes);
      assert.match(page, /<title>Reacher6ModeEnv, task 0, mode \d<\/title>/);
      assert.ok(page.includes("before adaptation") && page.includes("after 2 inner steps"));

      // the same command gives the same bytes
      const again = await render(run, `${folder}/f.gif`, { sideBySide: true });
      assert.deepEqual(again.bytes, gif.bytes);
      const noShadows = await render(run, `${folder}/g.gif`, { sideBySide: true, shadows: false });
      assert.notDeepEqual(noShadows.bytes, gif.bytes);
      const lastMode = await render(run, `${folder}/h.gif`, { mode: "5", task: "1" });
      assert.equal(lastMode.facts.mode, 5);
      // refused before anything is sampled
      const output = new MemoryOutput();
      await assert.rejects(
        renderRun(run, { ...SMALL, out: `${folder}/i.svg` }, output),
        /^UserError: --out: .svg is for environments in the plane; take .png, .gif, .mp4 or .html$/,
      );
      assert.deepEqual(output.statuses, []);
    }),
});

Deno.test({
  name: "render draws ways in the plane as SVG, PNG, GIF and page, and says what it wrote",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const run = `${folder}/run`;
      await trainInto(run, "promp", { env: "MetaPointEnvWalls" });
      const svg = new TextDecoder().decode(
        (await render(run, `${folder}/a.svg`, { sideBySide: true })).bytes,
      );
      // in both panels two walls and the way of 12 steps
      const lines = [...svg.matchAll(/points="([^"]*)"/g)].map(([, text]) =>
        text.split(" ").length
      );
      assert.equal(lines.length, 6);
      assert.equal(lines.filter((count) => count === 13).length, 2);
      const gif = await render(run, `${folder}/a.gif`);
      assert.equal(decodeGif(gif.bytes.slice().buffer).frames.length, 13);
      const page = await render(run, `${folder}/a.html`);
      const html = new TextDecoder().decode(page.bytes);
      const data = JSON.parse(/<script id="data"[^>]*>([\s\S]*?)<\/script>/.exec(html)![1]);
      assert.equal(data.countsSteps, true);
      assert.deepEqual(data.takes.map(({ frames }: { frames: number }) => frames), [13, 13]);
      const output = new MemoryOutput();
      await renderRun(run, { ...SMALL, out: `${folder}/a.png` }, output);
      assert.match(
        output.lines[0],
        /^MetaPointEnvWalls, task 0, mode \d: return −?[\d.]+ after 2 /,
      );
      assert.equal(output.lines[1], "drawn by resvg");
      assert.match(output.lines[2], /^wrote \S+a.png: 296 x 132, 6 moments, \d+ kB$/);
      const ofMode = `${folder}/mode`;
      await trainInto(ofMode, "promp", { mode: 2 });
      for (const task of ["0", "1", "2"]) {
        const { facts } = await render(ofMode, `${folder}/${task}.svg`, { task });
        assert.equal(facts.mode, 2, "tasks are of the mode that it was trained in");
      }
    }),
});

Deno.test({
  name: "render repeats an episode of famle adapt, and says where files don't belong together",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const quick = ["--set", "candidates=60", "--set", "horizon=3", "--set", "epoch=2"];
      const adapt = ["famle", "adapt", "--device", "cpu", ...quick, "--set", "episode_length=8"];
      const first = await metarl([...adapt, "--iterations", "3", "--out", "a"], folder);
      assert.equal(first.code, 0, first.stderr);
      const out = `${folder}/a.png`;
      const { facts } = await render(`${folder}/a`, out, { sideBySide: true }) as unknown as {
        facts: { rewards: number[]; episodes: number[]; method: string };
      };
      const summary = JSON.parse(await Deno.readTextFile(`${folder}/a/adapt.json`));
      const { rewards } = summary.methods.find(({ method }: { method: string }) => {
        return method === "famle";
      });
      assert.deepEqual(facts.episodes, [1, 3]);
      assert.deepEqual(facts.rewards, [rewards[0][0], rewards[0][2]]);
      const healthy = await render(`${folder}/a`, out, {
        method: "healthy",
        episode: "2",
        force: true,
      });
      assert.ok(healthy.bytes.length > 0);

      const mission = ["--online", "--iterations", "24", "--control-steps", "8", "--out", "m"];
      const damage = ["--online-damage-probability", "1"];
      const online = await metarl([...adapt, ...mission, ...damage], folder);
      assert.equal(online.code, 0, online.stderr);
      // the third stretch begins where the second has ended, with another damage
      await render(`${folder}/m`, `${folder}/m.gif`, { episode: "3" });

      await assert.rejects(
        render(`${folder}/a`, `${folder}/b.png`, { method: "maml" }),
        /--method: \S+ has no episodes of "maml"; did you mean famle|it has those of healthy, famle/,
      );
      await assert.rejects(
        render(`${folder}/a`, `${folder}/b.png`, { task: "1" }),
        /--task can't be combined with a folder of famle adapt/,
      );
      await Deno.copyFile(`${folder}/m/episodes.npz`, `${folder}/a/episodes.npz`);
      await assert.rejects(
        render(`${folder}/a`, `${folder}/b.png`, { episode: "2" }),
        /can't repeat episode 2 of famle_reacher: it earned/,
      );
      await Deno.remove(`${folder}/a/episodes.npz`);
      await assert.rejects(render(`${folder}/a`, `${folder}/b.png`), /can't read .*episodes.npz: /);
    }),
});

Deno.test({
  name: "render refuses bad input in one line with exit code 2, and replaces no file unasked",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      await trainInto(`${folder}/run`, "promp");
      await Deno.writeTextFile(`${folder}/there.gif`, "kept");
      const cases: readonly (readonly [string[], RegExp])[] = [
        [["run"], /^error: required option '--out <file>' not specified/],
        [["run", "--out", "x.gfi"], /must be one of .gif, .*; got ".gfi" /],
        [["run", "--out", "x"], /must be one of .*; got none /],
        [["run", "--out", "there.gif"], /^error: there.gif exists; add --force to replace it/],
        [["run", "--out", "no/x.gif"], /^error: can't write no\/x.gif: the folder no: /],
        [["run", "--out", "run"], /^error: --out run: the file's extension must be one of/],
        [["run", "--out", "x.gif", "--size", "10x9999"], /^error: --size must be WIDTHxHEIGHT/],
        [
          ["run", "--out", "x.png", "--size", "2560x2560", "--moments", "9", "--side-by-side"],
          /^error: --moments 9 of 2560x2560 are 118 million pixels; take fewer or a smaller --size/,
        ],
        [["run", "--out", "x.mp4", "--size", "321x240"], /^error: --size must be even numbers/],
        [["run", "--out", "x.gif", "--rollout", "3"], /^error: --rollout must be .* 0 to 2; got 3/],
        [["run", "--out", "x.gif", "--mode", "4"], /^error: --mode must be .* 0 to 3; got 4/],
        [
          ["run", "--out", "x.gif", "--fps", "zero"],
          /^error: --fps must be a number from 1 to 100/,
        ],
        [
          ["run", "--out", "x.gif", "--before", "--side-by-side"],
          /^error: --before and --side-by-side can't be combined/,
        ],
        [
          ["run", "--out", "x.gif", "--checkpoint", "7"],
          /has no checkpoint of 7 iterations; there /,
        ],
        [
          ["run", "--out", "x.gif", "--episode", "1"],
          /^error: --episode can't be combined with a /,
        ],
        [["nowhere", "--out", "x.gif"], /^error: .*nowhere/],
      ];
      for (const [args, wanted] of cases) {
        const { code, stdout, stderr } = await metarl(["render", ...args], folder);
        assert.equal(code, 2, `${args}: ${stderr}`);
        assert.equal(stdout, "");
        assert.match(stderr.trimEnd(), wanted);
        assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
      }
      assert.equal(await Deno.readTextFile(`${folder}/there.gif`), "kept");
      const forced = ["render", "run", "--out", "there.gif", "--force", "--size", "96x64"];
      const { code, stdout, stderr } = await metarl(forced, folder);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /wrote there.gif: 96 x 64, 13 frames, 0.\d s, \d+ kB\n$/);
    }),
});
