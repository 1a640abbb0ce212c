/**
 * `deno run --allow-read tools/check_layers.ts [SOURCE_FOLDER]`: the source's rules that no
 * compiler checks.
 *
 * 1. Imports go one way down: each folder of src/ may import from the folders listed for it, types
 *    included, but for the types of `config/schema.ts`, which are allowed everywhere. No file needs
 *    itself over others; circles of types alone, which no running program has, don't count.
 * 2. Only `cli` prints or exits; only `run` writes files; only `compute/webgpu` touches the GPU.
 *
 * Reads import lines (formatted source: a statement starts its line), `import()` and worker URLs.
 * One line per violation; exit code 1 where there is one.
 */
import { dirname, join, normalize, relative } from "node:path";

/** Folders that each folder of src/ may import from, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  util: [],
  config: ["util"],
  envs: ["util"],
  planning: ["util"],
  run: ["util"],
  plot: ["util"],
  compute: ["util"],
  nn: ["compute", "util"],
  rollout: ["envs", "util"],
  algos: ["nn", "compute", "rollout", "util"],
  golden: ["algos", "nn", "compute", "rollout", "planning", "envs", "util"],
  trainer: [
    ...["algos", "nn", "compute", "rollout", "planning", "envs"],
    ...["run", "config", "util"],
  ],
  render: ["plot", "compute", "envs", "util"],
  evaluation: ["trainer", "rollout", "envs", "run", "config", "util"],
  report: ["evaluation", "run", "config", "util"],
  cli: [
    ...["report", "evaluation", "render", "trainer", "golden", "compute", "envs"],
    ...["run", "plot", "config", "util"],
  ],
};

/** The only file of a folder that another folder may import, where it is not free to choose. */
const ONLY_FILE: Readonly<Record<string, string>> = { "rollout -> envs": "envs/env.ts" };

/** The one file whose types may be imported from anywhere. */
const TYPES_FOR_ALL = "config/schema.ts";

/** What only one folder may do: pattern in the code, folder, what it is. */
const RESERVED: readonly (readonly [RegExp, string, string])[] = [
  [/\bconsole\.\w+\(|\bDeno\.(stdout|stderr)\b/, "cli/", "prints"],
  [/\bDeno\.exit\(/, "cli/", "exits"],
  [
    /\bDeno\.(write|mkdir|makeTemp|remove|rename|truncate|create|copy|symlink|link)(?!Signal)\w*\(/,
    "run/",
    "writes",
  ],
  [/\bnavigator\.gpu\b/, "compute/webgpu/", "touches navigator.gpu"],
];

/** One import of a file of this project. */
interface Import {
  /** Path of the importing file and of the imported one, relative to src/. */
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function withoutComments(text: string): string {
  // a comment is replaced by spaces, so that lines keep their place
  return text.replace(
    /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm,
    (comment) => comment.replace(/[^\n]/g, " "),
  );
}

function isTypeOnly(statement: string): boolean {
  if (/^(import|export)\s+type\b/.test(statement)) return true;
  const names = /\{([^}]*)\}/.exec(statement);
  if (names === null || !/^(import|export)\s*\{/.test(statement)) return false;
  return names[1].split(",").filter((name) => name.trim() !== "")
    .every((name) => /^\s*type\s/.test(name));
}

/** Imports of a file's text; `path` is relative to src/. */
export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    if (!specifier.startsWith(".")) return;
    const to = normalize(join(dirname(path), specifier));
    // configs/ and deno.json are data
    if (to.startsWith("..") || !to.endsWith(".ts")) return;
    found.push({ from: path, to, isTypeOnly: typeOnly });
  };
  for (const match of code.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"/gm)) {
    add(match[1], isTypeOnly(match[0]));
  }
  for (const match of code.matchAll(/^import\s+"([^"]+)"/gm)) add(match[1], false);
  for (const match of code.matchAll(/\bimport\(\s*"([^"]+)"/g)) add(match[1], false);
  for (const match of code.matchAll(/\bnew URL\(\s*"([^"]+)",\s*import\.meta\.url/g)) {
    add(match[1], false);
  }
  return found;
}

function layerOf(path: string): string {
  return path.split("/")[0];
}

/** What is wrong with one import, or `null`. */
export function layerViolation({ from, to, isTypeOnly }: Import): string | null {
  const [layer, wanted] = [layerOf(from), layerOf(to)];
  if (!Object.hasOwn(ALLOWED, layer)) return `${from}: src/${layer} has no rule in check_layers.ts`;
  if (layer === wanted || (to === TYPES_FOR_ALL && isTypeOnly)) return null;
  if (!ALLOWED[layer].includes(wanted)) return `${from}: ${layer} may not import ${to}`;
  const only = ONLY_FILE[`${layer} -> ${wanted}`];
  if (only !== undefined && to !== only) {
    return `${from}: ${layer} may import only ${only}, not ${to}`;
  }
  return null;
}

/** The circles in the imports, each once, as `a.ts -> b.ts -> a.ts`. */
export function importCircles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, isTypeOnly } of imports) {
    if (!isTypeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const start = path.indexOf(file);
    if (start >= 0) circles.push([...path.slice(start), file].join(" -> "));
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    next.get(file)?.forEach(visit);
    path.pop();
    done.add(file);
  };
  [...next.keys()].forEach(visit);
  return circles;
}

/** What a file does that is reserved for another folder. */
export function reservedUses(path: string, text: string): string[] {
  const lines = withoutComments(text).split("\n");
  return RESERVED.filter(([, folder]) => !path.startsWith(folder)).flatMap((
    [pattern, folder, what],
  ) =>
    lines.flatMap((line, i) =>
      pattern.test(line) ? [`${path}:${i + 1}: ${what}, which only ${folder} may`] : []
    )
  );
}

function* sourceFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    // AssemblyScript is another language with its own resolution
    if (isDirectory && name !== "assembly") yield* sourceFiles(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

/** Every violation in a source folder. */
export function checkSource(folder: string): string[] {
  const files = [...sourceFiles(folder)].map((path) => ({
    path: relative(folder, path),
    text: Deno.readTextFileSync(path),
  }));
  const imports = files.flatMap(({ path, text }) => importsOf(path, text));
  return [
    ...imports.map(layerViolation).filter((line) => line !== null),
    ...importCircles(imports).map((circle) => `circular import: ${circle}`),
    ...files.flatMap(({ path, text }) => reservedUses(path, text)),
  ];
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? new URL("../src", import.meta.url).pathname;
  const violations = checkSource(folder);
  violations.forEach((line) => console.error(line));
  console.log(`layers: ${violations.length} violations`);
  if (violations.length > 0) Deno.exit(1);
}
