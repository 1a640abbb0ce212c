/**
 * What a picture of rollouts says: takes of one task, with what they are called and what they earn,
 * and the films that show them side by side.
 *
 * Axis letter: F frames of a take, one for each control step and one for the start.
 */
import { POSE_SIZE } from "../envs/scene.ts";
import { type CameraOptions, camerasFor } from "./camera.ts";
import { captionSize, earnedText, shortened } from "./caption.ts";
import { type Film, paste } from "./film.ts";
import type { Renderer, RenderOptions } from "./renderer.ts";
import type { Stage } from "./stage.ts";
import { lettering } from "./text.ts";

/** One take, for people. */
export interface Labels {
  /** E.g. `after 2 inner steps`. */
  readonly name: string;
  /** [F] sum of the rewards up to each frame, 0 at the start */
  readonly returns: Float64Array;
}

/** Takes of one task. */
export interface Show {
  /** Environment and task, one line. */
  readonly title: string;
  readonly stage: Stage;
  /** Of each take of the stage. */
  readonly labels: readonly Labels[];
  /** Time between two frames of a take, s. */
  readonly dt: number;
  /** Whether steps are told instead of times: what is shown has no unit of time. */
  readonly countsSteps?: boolean;
}

/** How fast a film goes. */
export interface Pace {
  /** Frames of the film a second. */
  readonly fps: number;
  /** 1: real time; 0.5: half as fast. */
  readonly speed: number;
}

/** A film that nobody asked to be faster or slower lasts so long at least, s. */
const LEAST_SECONDS = 3;
const SLOWER = [1, 0.5, 0.25, 0.1];

/**
 * The pace where a user asks for some of it: real time, or slower where a film would be over in no
 * time; no more frames than there are control steps.
 * @param seconds duration of what is shown
 */
export function paceFor(
  seconds: number,
  dt: number,
  wanted: { readonly fps: number; readonly speed: number | null },
): Pace {
  const slow = SLOWER.find((each) => seconds / each >= LEAST_SECONDS) ?? SLOWER.at(-1)!;
  const speed = wanted.speed ?? slow;
  return { speed, fps: Math.min(wanted.fps, speed / dt) };
}

/** Frames of takes of F frames each that a film shows: [frame of the film, take] */
export function filmSteps(counts: readonly number[], dt: number, { fps, speed }: Pace): number[][] {
  const longest = Math.max(...counts);
  const perFrame = speed / (fps * dt);
  const frames = Math.floor((longest - 1) / perFrame + 1e-9) + 1;
  return Array.from({ length: frames }, (_, frame) => {
    return counts.map((count) => Math.min(Math.round(frame * perFrame), count - 1));
  });
}

/** How films of a show are drawn. */
export interface FilmOptions extends RenderOptions, CameraOptions {
  readonly pace: Pace;
}

/** Space between pictures side by side, px; even, so that the width stays even. */
const GAP = 4;

/** Space above captions, px. */
const TOP = 2;

/**
 * The film of a show: its takes side by side, each of the given size, with a line above all of them
 * that says what they are and one above each that says what it earns.
 */
export async function filmOf(
  show: Show,
  makeRenderer: (options: RenderOptions) => Promise<Renderer>,
  options: FilmOptions,
): Promise<Film & { readonly renderer: Renderer }> {
  const { stage, labels, dt, title } = show;
  const { width, pace } = options;
  const letters = await lettering(captionSize(width, options.height));
  const margin = Math.round(0.3 * letters.lineHeight);
  const header = TOP + 2 * letters.lineHeight + margin;
  const second = TOP + letters.lineHeight;
  const height = options.height - header;
  const renderer = await makeRenderer({ ...options, height });
  const row = stage.solids.length * POSE_SIZE;
  const views = camerasFor(stage, width / height, dt, options);
  const steps = filmSteps(stage.takes.map(({ frames }) => frames), dt, pace);
  const whole = stage.takes.length * (width + GAP) - GAP;
  const picture = new Uint8ClampedArray(4 * width * height);
  return {
    width: whole,
    height: options.height,
    frames: steps.length,
    fps: pace.fps,
    renderer,
    async draw(frame, out) {
      out.fill(255);
      const time = `${(Math.max(...steps[frame]) * dt).toFixed(2)} s`;
      const timeLeft = whole - margin - letters.widthOf(time);
      letters.write(out, whole, timeLeft, TOP, time);
      const titleText = shortened(title, timeLeft - 3 * margin, letters.widthOf);
      letters.write(out, whole, margin, TOP, titleText);
      for (const [t, take] of stage.takes.entries()) {
        const step = steps[frame][t];
        const pose = take.poses.subarray(step * row, (step + 1) * row);
        await renderer.draw(views[t][step], pose, picture);
        const left = t * (width + GAP);
        paste(picture, width, out, whole, left, header);
        const earned = earnedText(labels[t].returns[step], width - 2 * margin, letters.widthOf);
        const right = left + width - margin - letters.widthOf(earned);
        letters.write(out, whole, right, second, earned);
        const name = shortened(labels[t].name, right - left - 2 * margin, letters.widthOf);
        letters.write(out, whole, left + margin, second, name);
      }
    },
  };
}
