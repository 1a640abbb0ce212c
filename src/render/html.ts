/**
 * A show as a page that needs nothing else: the recorded poses, the surfaces, and a player
 * (`player/player.js` with three.js in it). The page asks the network for nothing.
 */
import { deflateSync, inflateSync } from "fflate";
import { escapeHtml } from "../util/html.ts";
import { PLAYER } from "./player/bundle.ts";
import page from "./player/page.html" with { type: "text" };
import { type CameraOptions, camerasFor } from "./camera.ts";
import type { Show } from "./show.ts";
import { THEME } from "./theme.ts";
import { plus, type Vector } from "./vector.ts";

/** How the page begins. */
export interface HtmlOptions extends CameraOptions {
  /** 1: real time. */
  readonly speed: number;
  readonly shadows?: boolean;
}

/** Speeds to choose from. */
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
/** Width over height that the camera is placed for. */
const ASPECT = 4 / 3;
/** The floor at night. */
const DARK = { tileLight: "#2c3239", tileDark: "#23282e", horizon: "#16191d" } as const;

/** Where numbers lie in the page's binary part, in bytes, and how many they are. */
interface Place {
  readonly at: number;
  readonly length: number;
}

/** Numbers one behind the other. */
class Blob4 {
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  add(values: Float32Array | Uint32Array): Place {
    const place = { at: this.#size, length: values.length };
    this.#parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    this.#size += values.byteLength;
    return place;
  }

  packed(): string {
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return deflateSync(all, { level: 9 }).toBase64();
  }
}

/** The page. */
export function toHtml(show: Show, options: HtmlOptions): string {
  const { stage, labels, title, dt, countsSteps = false } = show;
  const { speed, shadows = true } = options;
  const views = camerasFor(stage, ASPECT, dt, options);
  const [first, last] = [views[0][0], views[0].at(-1)!];
  const away = plus(first.eye, first.focus, -1);
  const distance = Math.hypot(...away);
  const blob = new Blob4();
  const data = {
    dt,
    countsSteps,
    speed,
    shadows,
    floor: stage.floor,
    reach: stage.reach,
    range: first.range,
    focus: first.focus,
    follows: first !== last,
    back: plus([0, 0, 0], away, 1 / distance),
    distance,
    angle: 2 * Math.atan(1 / first.focal) * 180 / Math.PI,
    sun: first.sun,
    light: THEME,
    dark: DARK,
    solids: stage.solids.map(({ mesh, color }) => ({
      color,
      positions: blob.add(mesh.positions),
      normals: blob.add(mesh.normals),
      triangles: blob.add(mesh.triangles),
    })),
    takes: stage.takes.map(({ frames, poses }, t) => ({
      name: labels[t].name,
      frames,
      poses: blob.add(poses),
      places: blob.add(Float32Array.from(views[t].flatMap(({ focus }): Vector => focus))),
      returns: blob.add(Float32Array.from(labels[t].returns)),
    })),
  };
  const speeds = [...new Set([...SPEEDS, speed])].sort((a, b) => a - b).map((each) =>
    `<option value="${each}"${each === speed ? " selected" : ""}>${each}×</option>`
  );
  const script = new TextDecoder().decode(inflateSync(Uint8Array.fromBase64(PLAYER)));
  const parts: Readonly<Record<string, string>> = {
    title: escapeHtml(title),
    speeds: speeds.join(""),
    data: JSON.stringify(data).replaceAll("<", "\\u003c"),
    blob: blob.packed(),
    // a script ends at its end tag even within a string
    script: script.replaceAll("</script", "<\\/script"),
  };
  // within JSON and scripts the places are written so that the page is valid without them
  return page.replaceAll(
    /"\{\{(data)\}\}"|\/\* \{\{(script)\}\} \*\/|\{\{ ?(\w+) ?\}\}/g,
    (_, json?: string, code?: string, text?: string) => parts[json ?? code ?? text!],
  );
}
