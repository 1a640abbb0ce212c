/**
 * Files that an environment of one's own is made of, and a hash of them: it is the environment's
 * version, so that a run is not resumed with another environment under the same path.
 */
import { dirname, isAbsolute, join, relative } from "node:path";
import { messageOf, UserError } from "../../util/errors.ts";
import { readWholeFile } from "../../util/read_file.ts";
import { ModelSize, xmlElements } from "./mjcf_text.ts";

/** Contents by path, in the order in which they were found. */
export type Files = Map<string, Uint8Array>;

/** Reads a file. @throws UserError `env-file` saying who wants it and why it can't be read. */
export function readFile(path: string, wantedBy: string): Uint8Array {
  try {
    return readWholeFile(path);
  } catch (error) {
    throw unreadable(path, wantedBy, error);
  }
}

function unreadable(path: string, wantedBy: string, error: unknown): UserError {
  // Deno: "No such file or directory (os error 2): readfile 'x'"
  const reason = messageOf(error).replace(/ \(os error \d+\).*$/s, "");
  return new UserError("env-file", `${wantedBy}: can't read ${path}: ${reason}`, { cause: error });
}

/**
 * Refuses what lies outside of an environment's folder, by its name or as a link, and what is no
 * file (a pipe would be waited for): a description may come from anywhere.
 */
function checkInside(path: string, folder: string, wantedBy: string): void {
  let isFile: boolean;
  let way: string;
  try {
    way = relative(Deno.realPathSync(folder), Deno.realPathSync(path));
    isFile = Deno.statSync(path).isFile;
  } catch (error) {
    throw unreadable(path, wantedBy, error);
  }
  if (!isFile) throw new UserError("env-file", `${wantedBy}: can't read ${path}: it is no file`);
  if (/^\.\.([/\\]|$)/.test(way) || isAbsolute(way)) {
    throw new UserError(
      "env-file",
      `${wantedBy}: ${path} is outside of the environment's folder; put all of its files into the ` +
        "folder of the description or below",
    );
  }
}

/** `sha256:` and 16 hexadecimal digits for names (relative to the first file's) and contents. */
export async function hashFiles(files: Files): Promise<string> {
  const [first] = files.keys();
  const parts: Uint8Array[] = [];
  for (const [path, bytes] of files) {
    const name = relative(dirname(first), path);
    parts.push(new TextEncoder().encode(`${name}\n${bytes.length}\n`), bytes);
  }
  const joined = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
  const hex = Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0"));
  return `sha256:${hex.join("")}`;
}

/** An MJCF file and what it refers to. */
export interface MjcfFiles {
  readonly mjcf: string;
  /** Included MJCF, meshes, height fields by the name under which MuJoCo asks for them. */
  readonly others: ReadonlyMap<string, Uint8Array>;
}

/** Attributes of `<compiler>` that name the folder of an element's files. */
const FOLDERS: Readonly<Record<string, string>> = {
  mesh: "meshdir",
  skin: "meshdir",
  hfield: "assetdir",
  texture: "texturedir",
};

/**
 * Reads an MJCF file with everything that its elements name by `file="..."`, and adds it to
 * `files`. Names are relative to the first MJCF file's folder, as MuJoCo has them.
 * @param root folder that all files must be in
 * @throws UserError `env-file` for a file that can't be read or lies elsewhere, `mjcf` for a model
 * that is too large
 */
export function readMjcf(path: string, root: string, files: Files, wantedBy: string): MjcfFiles {
  const folder = dirname(path);
  const others = new Map<string, Uint8Array>();
  const size = new ModelSize(path);
  const add = (file: string, by: string): Uint8Array => {
    checkInside(file, root, by);
    const bytes = readFile(file, by);
    files.set(file, bytes);
    return bytes;
  };
  const mjcf = new TextDecoder().decode(add(path, wantedBy));
  /** `[kind, file]` */
  const assets: [string, string][] = [];
  const options = new Map<string, string>();
  const texts = [{ text: mjcf, copies: 1 }];
  // the list grows while included files are read
  for (const { text, copies } of texts) {
    for (const element of xmlElements(text, copies)) {
      size.add(element);
      const file = element.attributes.get("file");
      if (element.name === "compiler") {
        for (const [key, value] of element.attributes) {
          if (!options.has(key)) options.set(key, value);
        }
      } else if (element.name === "include" && file && !others.has(file)) {
        const bytes = add(join(folder, file), path);
        others.set(file, bytes);
        texts.push({ text: new TextDecoder().decode(bytes), copies: element.copies });
      } else if (Object.hasOwn(FOLDERS, element.name) && file) {
        assets.push([element.name, file]);
      }
    }
  }
  for (const [kind, file] of assets) {
    const name = join(options.get(FOLDERS[kind]) ?? options.get("assetdir") ?? "", file);
    if (!others.has(name)) others.set(name, add(join(folder, name), path));
  }
  return { mjcf, others };
}
