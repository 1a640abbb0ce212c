/**
 * A compiled model: owner of one `MjModel`, with its names. Errors of MJCF become one line.
 *
 * Works around two defects of the WASM build: arrays of booleans can't be read (their elements
 * can, by name), and `mj_id2name` gives a wrong name for objects that have none.
 */
import type { MjModel } from "@mujoco/mujoco";
import { messageOf, UserError } from "../../util/errors.ts";
import { forgetMujoco, liveHandles, loadMujoco, type Mujoco } from "./runtime.ts";

/** Kinds of named objects. */
export type ObjectKind = "body" | "joint" | "geom" | "site" | "actuator";

/** Other files that an MJCF file includes or uses (meshes), by the name it calls them. */
export type Includes = Readonly<Record<string, string | Uint8Array>>;

const BYTES = new TextDecoder();

/** A compiled model; whoever made it calls {@link close}, after all of its simulations'. */
export class Model {
  #handle: MjModel | null;

  private constructor(
    readonly name: string,
    /** The instance of MuJoCo whose memory it lies in. */
    readonly mujoco: Mujoco,
    handle: MjModel,
  ) {
    this.#handle = handle;
    liveHandles.models++;
  }

  /**
   * Compiles MJCF. Islands are switched off: same physics to the last bit, a few percent faster.
   * @param name what messages call it, e.g. the file's path
   * @throws UserError `mjcf` with MuJoCo's own message and line.
   */
  static async compile(name: string, mjcf: string, includes: Includes = {}): Promise<Model> {
    const mujoco = await loadMujoco();
    const files = new mujoco.MjVFS();
    let isBroken = false;
    try {
      for (const [path, content] of Object.entries(includes)) {
        const isText = typeof content === "string";
        files.addBuffer(path, isText ? new TextEncoder().encode(content) : content);
      }
      const handle = mujoco.MjModel.from_xml_string(mjcf, files);
      if (handle === null || handle === undefined) throw new Error("no model came back");
      // after thousands of refused models the WASM build may give a freed one; all have a world
      if (handle.nbody < 1 || handle.nbody !== handle.body_parentid.length) {
        throw new WebAssembly.RuntimeError("no whole model came back");
      }
      const options = handle.opt;
      options.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND.value;
      options.delete();
      return new Model(name, mujoco, handle);
    } catch (error) {
      // it ran out of memory or worse: nothing of it can be used again, not even to free something
      isBroken = error instanceof WebAssembly.RuntimeError;
      if (isBroken) await forgetMujoco(mujoco);
      throw new UserError("mjcf", `Cannot compile ${name}: ${oneLine(messageOf(error))}`);
    } finally {
      if (!isBroken) files.delete();
    }
  }

  /** A copy that can be changed without changing this one. */
  copy(): Model {
    return new Model(this.name, this.mujoco, new this.mujoco.MjModel(this.handle));
  }

  /** MuJoCo's object: sizes, arrays (each access makes a view), named parts. */
  get handle(): MjModel {
    if (this.#handle === null) throw new TypeError(`Cannot use model ${this.name}: it is closed`);
    return this.#handle;
  }

  /** Names of all objects of a kind by index, "" where an object has none. */
  names(kind: ObjectKind): string[] {
    const { handle } = this;
    const text: Int8Array = handle.names;
    const addresses: Int32Array = ({
      body: () => handle.name_bodyadr,
      joint: () => handle.name_jntadr,
      geom: () => handle.name_geomadr,
      site: () => handle.name_siteadr,
      actuator: () => handle.name_actuatoradr,
    })[kind]();
    return Array.from(addresses, (start) => {
      return BYTES.decode(Uint8Array.from(text.subarray(start, text.indexOf(0, start))));
    });
  }

  /** Index of a named object. @throws RangeError where there is none. */
  index(kind: ObjectKind, name: string): number {
    const index = this.names(kind).indexOf(name);
    if (index < 0) throw new RangeError(`Cannot find ${kind} "${name}" in model ${this.name}`);
    return index;
  }

  /** Frees it; further calls do nothing. */
  close(): void {
    if (this.#handle === null) return;
    this.#handle.delete();
    this.#handle = null;
    liveHandles.models--;
  }
}

/**
 * "MuJoCo Error: Loading error: XML Error: x\nElement 'geom', line 3" to "x (element 'geom', line
 * 3)".
 */
function oneLine(message: string): string {
  const [first, ...rest] = message
    .replace(/^MuJoCo Error: /, "")
    .replace(/^Loading error: /, "")
    .replace(/^XML Error: /, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const where = rest.join(" ");
  return where === "" ? first : `${first} (${where[0].toLowerCase()}${where.slice(1)})`;
}
