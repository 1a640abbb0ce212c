/** Tests of pages with a player: what they hold, and in headless Chromium that they play. */
import assert from "node:assert/strict";
import { toHtml } from "../../src/render/html.ts";
import type { Show } from "../../src/render/show.ts";
import { buildStage } from "../../src/render/stage.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { lacks } from "../permissions.ts";
import { Browser, findChromium } from "../report/browser.ts";
import { FLOOR, shape, still } from "./helpers.ts";

const FRAMES = 21;

/** A red ball that rises, and one that stays. */
function show(): Show {
  const take = (speed: number) =>
    Float32Array.from(
      Array.from({ length: FRAMES }, (_, f) => [...still([0, 0, 0], [0, 0, 0.5 + speed * f])])
        .flat(),
    );
  const stage = buildStage({
    shapes: [FLOOR, shape("sphere", [0.4, 0, 0])],
    takes: [take(0), take(0.05)],
    goal: [1, 0],
  });
  return {
    title: "Ball & <goal>",
    stage,
    labels: ["before adaptation", "after </script> steps"].map((name, t) => ({
      name,
      returns: Float64Array.from({ length: FRAMES }, (_, f) => (t - 1) * f),
    })),
    dt: 0.1,
  };
}

Deno.test("toHtml() writes a page that asks the network for nothing", () => {
  const page = toHtml(show(), { speed: 0.5 });
  assert.equal(page, toHtml(show(), { speed: 0.5 }));
  assert.ok(page.includes("<title>Ball &amp; &lt;goal&gt;</title>"));
  assert.ok(!/\{\{|\}\}</.test(page.replaceAll(/<script type="module">[\s\S]*<\/script>/g, "")));
  const [markup] = page.split('<script type="module">');
  assert.ok(!/\b(src|href)=|https?:|@import|url\(/.test(markup), "the page refers to something");
  assert.ok(page.includes('<option value="0.5" selected>'));
  const data = JSON.parse(/<script id="data"[^>]*>([\s\S]*?)<\/script>/.exec(page)![1]);
  assert.equal(data.takes.length, 2);
  assert.equal(data.takes[1].frames, FRAMES);
  // ball, ring and ball of the goal
  assert.equal(data.solids.length, 3);
});

const NEEDS_BROWSER = lacks("read", "write", "run", "env");
const CHROMIUM = NEEDS_BROWSER ? null : findChromium();
const REQUIRED = !NEEDS_BROWSER && Deno.env.get("METARL_REQUIRE_CHROMIUM") === "1";

Deno.test({
  name: "the player plays, jumps, switches takes and turns, in light and dark, without an error",
  ignore: CHROMIUM === null && !REQUIRED,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/page.html`, toHtml(show(), { speed: 1 }));
      const browser = await Browser.start(CHROMIUM!);
      try {
        await browser.setScreen(800, 600, "light");
        await browser.open(`${folder}/page.html`);
        const read = <T>(expression: string) => browser.evaluate<T>(expression);
        const frame = async () => Number(await read<string>("document.body.dataset.frame"));
        const until = async (isTrue: () => Promise<boolean>, what: string) => {
          for (let i = 0; i < 100 && !await isTrue(); i++) await browser.settle();
          assert.ok(await isTrue(), what);
        };
        await until(async () => await frame() > 2, "the film does not go on");
        assert.match(
          await read("document.getElementById('earned').textContent"),
          /^after <\/script> steps: return 0.00$/,
        );
        // to the last frame by the slider, which stops the film
        const slide = (time: number) =>
          read(`{ const time = document.getElementById("time"); time.value = ${time};
            time.dispatchEvent(new Event("input")); 1 }`);
        await slide(2);
        await until(async () => await frame() === FRAMES - 1, "the slider is without effect");
        // Red pixels of the canvas: how many, and the mean of their rows. Read within a frame, while
        // the drawing is still there.
        const red = () =>
          read<[number, number]>(`new Promise((done) => requestAnimationFrame(() => {
            const view = document.getElementById("view");
            const copy = document.createElement("canvas");
            copy.width = view.width; copy.height = view.height;
            const context = copy.getContext("2d");
            context.drawImage(view, 0, 0);
            const { data } = context.getImageData(0, 0, copy.width, copy.height);
            let count = 0, rows = 0;
            for (let i = 0; i < data.length; i += 4) {
              if (data[i] < 2 * data[i + 1] || data[i] < 60) continue;
              count++;
              rows += Math.floor(i / 4 / copy.width);
            }
            done([count, rows / count]);
          }))`);
        const high = await red();
        assert.ok(high[0] > 100, `${high[0]} red pixels`);
        await read("document.querySelectorAll('#takes button')[0].click()");
        await until(
          async () => await read("document.body.dataset.take") === "before adaptation",
          "the take is not switched",
        );
        await browser.settle();
        const low = await red();
        assert.ok(low[1] > high[1] + 20, `the ball is at rows ${low[1]} and ${high[1]}`);
        assert.match(
          await read("document.getElementById('earned').textContent"),
          /^before adaptation: return −20.0$/,
        );
        // dragging turns the scene
        const data = () => red().then(String);
        const still = await data();
        await read(`{ const view = document.getElementById("view");
          const send = (type, x, y) => view.dispatchEvent(new PointerEvent(type, {
            pointerId: 1, clientX: x, clientY: y, button: 0, buttons: 1, bubbles: true }));
          view.setPointerCapture = () => {}; view.releasePointerCapture = () => {};
          send("pointerdown", 400, 300); send("pointermove", 400, 340);
          send("pointerup", 400, 340); 1 }`);
        await until(async () => await data() !== still, "dragging is without effect");

        await browser.setScreen(800, 600, "dark");
        await browser.settle();
        const ground = await read<string>("getComputedStyle(document.body).backgroundColor");
        assert.equal(ground, "rgb(22, 25, 29)");
        // drivers speak of software and of reading pixels, which the test does
        const own = browser.complaints.filter((text) => !text.includes('"source":"rendering"'));
        assert.deepEqual(own, []);
      } finally {
        await browser.close();
      }
    }),
});
