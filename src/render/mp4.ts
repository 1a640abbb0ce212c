/**
 * Films as MP4 with H.264 (Baseline, 4:2:0), encoded by minih264 in WASM. The same film gives the
 * same bytes: times of creation are left out.
 */
import * as h264Module from "h264-mp4-encoder";
import { messageOf, RunError } from "../util/errors.ts";
import { exportsOf } from "./exports_of.ts";
import type { Film } from "./film.ts";

const h264 = exportsOf(h264Module, "createH264MP4Encoder");

/** 10 best .. 51 smallest. */
const QUANTIZATION = 20;
/** A picture that needs no other, every so many seconds: for seeking. */
const KEY_SECONDS = 2;
/** Boxes that hold boxes, on the way to those with a time of creation. */
const CONTAINERS = ["moov", "trak", "mdia"];
/** Boxes that begin with version, flags, time of creation, time of change. */
const TIMED = ["mvhd", "tkhd", "mdhd"];

/**
 * The film as MP4; width and height must be even.
 * @param onFrame told the number of frames done
 * @throws RunError `mp4`
 */
export async function toMp4(film: Film, onFrame?: (done: number) => void): Promise<Uint8Array> {
  const { width, height, frames, fps } = film;
  const encoder = await h264.createH264MP4Encoder().catch((error: unknown) => {
    throw new RunError("mp4", `Cannot load the H.264 encoder: ${messageOf(error)}`);
  });
  try {
    encoder.width = width;
    encoder.height = height;
    encoder.frameRate = fps;
    encoder.quantizationParameter = QUANTIZATION;
    encoder.groupOfPictures = Math.max(1, Math.round(KEY_SECONDS * fps));
    encoder.speed = 5;
    encoder.initialize();
    const pixels = new Uint8ClampedArray(4 * width * height);
    for (let frame = 0; frame < frames; frame++) {
      await film.draw(frame, pixels);
      encoder.addFrameRgba(pixels);
      onFrame?.(frame + 1);
    }
    encoder.finalize();
    const bytes = encoder.FS.readFile(encoder.outputFilename);
    clearTimes(bytes, 0, bytes.length);
    return bytes;
  } finally {
    encoder.delete();
  }
}

/** Makes the times in the boxes of bytes[from .. to) those of 1904: unknown. */
function clearTimes(bytes: Uint8Array, from: number, to: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = from; at + 8 <= to;) {
    const size = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = size === 0 ? to : at + size;
    if (size === 1 || end > to) return; // a box of 64-bit size: media, behind which nothing is
    if (CONTAINERS.includes(name)) clearTimes(bytes, at + 8, end);
    if (TIMED.includes(name)) {
      const version = bytes[at + 8];
      bytes.fill(0, at + 12, at + 12 + (version === 1 ? 16 : 8));
    }
    at = end;
  }
}
