/**
 * Files that an environment of one's own is made of, and a hash of them: it is the environment's
 * version, so that a run is not resumed with another environment under the same path.
 */
import { dirname, join, relative } from "node:path";
import { messageOf, UserError } from "../../util/errors.ts";

/** Contents by path, in the order in which they were found. */
export type Files = Map<string, Uint8Array>;

/** Reads a file. @throws UserError `env-file` saying who wants it and why it can't be read. */
export function readFile(path: string, wantedBy: string): Uint8Array {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    // Deno: "No such file or directory (os error 2): readfile 'x'"
    const reason = messageOf(error).replace(/ \(os error \d+\).*$/s, "");
    throw new UserError("env-file", `${wantedBy}: can't read ${path}: ${reason}`, {
      cause: error,
    });
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
  readonly others: Readonly<Record<string, Uint8Array>>;
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
 * @throws UserError `env-file` for a file that can't be read
 */
export function readMjcf(path: string, files: Files, wantedBy: string): MjcfFiles {
  const folder = dirname(path);
  const others: Record<string, Uint8Array> = {};
  const texts: string[] = [];
  const add = (file: string, by: string): Uint8Array => {
    const bytes = readFile(file, by);
    files.set(file, bytes);
    return bytes;
  };
  const addText = (bytes: Uint8Array): string => {
    const text = new TextDecoder().decode(bytes);
    texts.push(text.replace(/<!--[\s\S]*?-->/g, ""));
    return text;
  };
  const mjcf = addText(add(path, wantedBy));
  // the list grows while included files are read
  for (const text of texts) {
    for (const [, file] of text.matchAll(/<include\s[^>]*?\bfile\s*=\s*["']([^"']+)["']/g)) {
      if (file in others) continue;
      others[file] = add(join(folder, file), path);
      addText(others[file]);
    }
  }
  const all = texts.join("\n");
  const option = (name: string): string | undefined =>
    new RegExp(`<compiler\\s[^>]*?\\b${name}\\s*=\\s*["']([^"']*)["']`).exec(all)?.[1];
  for (
    const [, kind, file] of all.matchAll(
      /<(mesh|skin|hfield|texture)\s[^>]*?\bfile\s*=\s*["']([^"']+)["']/g,
    )
  ) {
    const name = join(option(FOLDERS[kind]) ?? option("assetdir") ?? "", file);
    if (!(name in others)) others[name] = add(join(folder, name), path);
  }
  return { mjcf, others };
}
