/** Tests of films: which frames they have, and what decoders make of the files. */
import assert from "node:assert/strict";
import { decode, decodeFrames } from "modern-gif";
import { earnedText, returnText, shortened } from "../../src/render/caption.ts";
import { contactSheet, type Film, moments } from "../../src/render/film.ts";
import { gifDelay, toGif } from "../../src/render/gif.ts";
import { toMp4 } from "../../src/render/mp4.ts";
import { filmSteps, paceFor } from "../../src/render/show.ts";
import { lettering } from "../../src/render/text.ts";

/** A square of 8 px that moves to the right by 4 px a frame, over a ground with a gradient. */
const FILM: Film = {
  width: 64,
  height: 32,
  frames: 10,
  fps: 25,
  draw(frame, out) {
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 64; x++) {
        const isSquare = x >= 4 * frame && x < 4 * frame + 8 && y >= 8 && y < 16;
        out.set(
          isSquare ? [200, 40, 20, 255] : [220 - 2 * y, 225 - 2 * y, 230 - 2 * y, 255],
          4 * (64 * y + x),
        );
      }
    }
    return Promise.resolve();
  },
};

async function wanted(frame: number): Promise<Uint8ClampedArray> {
  const out = new Uint8ClampedArray(4 * 64 * 32);
  await FILM.draw(frame, out);
  return out;
}

Deno.test("toGif() writes frames that another library reads back", async () => {
  const done: number[] = [];
  const bytes = await toGif(FILM, (count) => done.push(count));
  assert.deepEqual(done, Array.from({ length: 10 }, (_, i) => i + 1));
  const gif = decode(bytes.slice().buffer);
  assert.equal(gif.frames.length, 10);
  assert.deepEqual([gif.width, gif.height, gif.version], [64, 32, "89a"]);
  assert.ok(gif.looped);
  const frames = decodeFrames(bytes.slice().buffer);
  for (const [i, { data, delay }] of frames.entries()) {
    assert.equal(delay, 40);
    const picture = await wanted(i);
    // 33 colours fit into the palette; colours are sorted by their upper 5 or 6 bits
    const most = picture.reduce((max, value, at) => Math.max(max, Math.abs(value - data[at])), 0);
    assert.ok(most <= 8, `frame ${i} is off by ${most}`);
  }
  assert.deepEqual(await toGif(FILM), bytes);
});

Deno.test("gifDelay() gives whole hundredths of a second that viewers respect", () => {
  assert.deepEqual([1, 10, 12.5, 24, 25, 50, 100].map(gifDelay), [100, 10, 8, 4, 4, 2, 2]);
});

/** Boxes in bytes[from .. to): name and content. */
function boxes(bytes: Uint8Array, from = 0, to = bytes.length) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found: { name: string; at: number; end: number }[] = [];
  for (let at = from; at < to;) {
    const size = view.getUint32(at);
    const name = new TextDecoder().decode(bytes.subarray(at + 4, at + 8));
    found.push({ name, at: at + 8, end: at + size });
    at += size;
  }
  return found;
}

function box(bytes: Uint8Array, path: string): { at: number; end: number } {
  let range = { at: 0, end: bytes.length };
  for (const name of path.split("/")) {
    const next = boxes(bytes, range.at, range.end).find((each) => each.name === name);
    assert.ok(next !== undefined, `no ${name} of ${path}`);
    range = next;
  }
  return range;
}

Deno.test("toMp4() writes H.264 of the film's size, frames and rate, the same bytes each time", async () => {
  const bytes = await toMp4(FILM);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.equal(boxes(bytes)[0].name, "ftyp");
  const media = "moov/trak/mdia";
  // version and flags, size of all samples, count
  const sizes = box(bytes, `${media}/minf/stbl/stsz`);
  assert.equal(view.getUint32(sizes.at + 8), 10);
  // version and flags, count, then the first entry: its size, its name, ..., width and height
  const entry = box(bytes, `${media}/minf/stbl/stsd`).at + 8;
  assert.equal(new TextDecoder().decode(bytes.subarray(entry + 4, entry + 8)), "avc1");
  assert.deepEqual([view.getUint16(entry + 32), view.getUint16(entry + 34)], [64, 32]);
  const header = box(bytes, `${media}/mdhd`);
  assert.equal(bytes[header.at], 0);
  const [created, changed, scale, duration] = [4, 8, 12, 16].map((i) => {
    return view.getUint32(header.at + i);
  });
  assert.deepEqual([created, changed], [0, 0]);
  assert.ok(Math.abs(duration / scale - 10 / 25) < 1e-3, `${duration / scale} s`);
  assert.deepEqual(await toMp4(FILM), bytes);
});

Deno.test("contactSheet() puts pictures in rows", async () => {
  const sheet = await contactSheet(FILM, moments(10, 3), 2);
  // two columns of 64 and two rows of 32, 4 px between
  assert.deepEqual([sheet.width, sheet.height], [132, 68]);
  const red = (x: number, y: number) => sheet.data[4 * (y * sheet.width + x)];
  // frames 0, 5 (4.5 rounded) and 9: squares at x = 0, 20 and 36
  assert.deepEqual([red(2, 10), red(68 + 22, 10), red(38, 36 + 10)], [200, 200, 200]);
  // white where nothing is
  assert.deepEqual([red(65, 10), red(100, 50)], [255, 255]);
});

Deno.test("moments() are evenly spread, first and last among them", () => {
  assert.deepEqual(moments(11, 3), [0, 5, 10]);
  assert.deepEqual(moments(2, 6), [0, 1]);
  assert.deepEqual(moments(50, 1), [49]);
  assert.deepEqual(moments(1, 6), [0]);
});

Deno.test("filmSteps() keeps real time, and holds the last frame of a take that is over", () => {
  // 0.02 s a step at 25 frames a second: every second step
  assert.deepEqual(filmSteps([9, 5], 0.02, { fps: 25, speed: 1 }), [
    ...[[0, 0], [2, 2], [4, 4], [6, 4], [8, 4]],
  ]);
  assert.deepEqual(filmSteps([3], 0.1, { fps: 10, speed: 1 }), [[0], [1], [2]]);
  // at half the speed each step is there at 5 frames a second
  assert.equal(filmSteps([11], 0.1, { fps: 5, speed: 0.5 }).length, 11);
});

Deno.test("paceFor() slows down what would be over in no time", () => {
  const wanted = { fps: 25, speed: null };
  assert.deepEqual(paceFor(5, 0.02, wanted), { fps: 25, speed: 1 });
  // 1 s needs a third of the speed: the next is a quarter, with 0.02 s / 0.25 a frame
  assert.deepEqual(paceFor(1, 0.02, wanted), { fps: 12.5, speed: 0.25 });
  assert.deepEqual(paceFor(1, 0.02, { fps: 50, speed: 1 }), { fps: 50, speed: 1 });
  // not more frames than there are control steps
  assert.equal(paceFor(5, 0.1, wanted).fps, 10);
});

Deno.test("returnText() shows what matters of a number", () => {
  assert.deepEqual(
    [-1234.56, -27.867, 3.14159, 0, -0.001].map(returnText),
    ["−1235", "−27.9", "3.14", "0.00", "0.00"],
  );
});

Deno.test("shortened() gives what has room, earnedText() the number at least", () => {
  const widthOf = (text: string) => 10 * text.length;
  assert.equal(shortened("after 2 steps", 130, widthOf), "after 2 steps");
  assert.equal(shortened("after 2 steps", 120, widthOf), "after 2 ste…");
  assert.equal(shortened("after 2 steps", 70, widthOf), "after…", "no space before the ellipsis");
  assert.equal(shortened("after 2 steps", 19, widthOf), "");
  assert.equal(shortened("after 2 steps", -5, widthOf), "");
  assert.equal(earnedText(-27.94, 120, widthOf), "return −27.9");
  assert.equal(earnedText(-27.94, 119, widthOf), "−27.9");
});

Deno.test("lettering() writes dark text where it says, as wide as it says", async () => {
  const letters = await lettering(12);
  const [width, height] = [200, 40];
  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  letters.write(pixels, width, 10, 8, "return −12.3 gÅ");
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let i = 0; i < width * height; i++) {
    if (pixels[4 * i] > 128) continue;
    left = Math.min(left, i % width);
    right = Math.max(right, i % width);
    top = Math.min(top, Math.floor(i / width));
    bottom = Math.max(bottom, Math.floor(i / width));
  }
  assert.ok(left >= 9 && left <= 12, `${left}`);
  assert.ok(right <= 10 + letters.widthOf("return −12.3 g?"), `${right}`);
  assert.ok(right >= 10 + 0.85 * letters.widthOf("return −12.3 g?"), `${right}`);
  assert.ok(top >= 8 && bottom <= 8 + letters.lineHeight, `${top} ${bottom}`);
});
