/**
 * `deno task compile`: bundles the program (main module, sampling worker, kernel worker; what a
 * command does not need stays in its own file and is loaded when asked for) and makes one
 * executable of it, compiled/metarl. DENORT_BIN names the runtime where it can't be downloaded.
 */
import { basename, dirname, relative } from "node:path/posix";
import manifest from "../deno.json" with { type: "json" };

const root = new URL("..", import.meta.url).pathname;
const bundle = `${root}compiled/bundle`;
const output = `${root}compiled/metarl`;

/** Modules below src/ that are started by URL, so the bundler has to be told of them. */
const WORKERS = ["trainer/sampler_worker", "compute/cpu/cpu_worker"];
const MAIN = "cli/main";

/** What the binary may do, which is what `deno task metarl` may; README says why. */
const PERMISSIONS = manifest.tasks.metarl.split(" ").filter((word) => word.startsWith("--"));

async function deno(args: string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    // esbuild comes from the npm registry; its certificate may be one of the system's.
    env: { DENO_TLS_CA_STORE: "system,mozilla" },
  }).spawn().status;
  if (!success) {
    console.error(`error: deno ${args[0]} failed, see above`);
    Deno.exit(1);
  }
}

/** Paths of all files of the bundle, relative to its folder. */
async function bundleFiles(folder = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(`${bundle}/${folder}`)) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) files.push(...await bundleFiles(`${path}/`));
    else files.push(path);
  }
  return files.sort();
}

/** Makes the URLs of workers point at the bundled workers; each must be there once. */
async function linkWorkers(files: readonly string[]): Promise<void> {
  for (const worker of WORKERS) {
    const source = `./${basename(worker)}.ts`;
    let links = 0;
    for (const path of files) {
      const text = await Deno.readTextFile(`${bundle}/${path}`);
      const parts = text.split(source);
      if (parts.length === 1) continue;
      links += parts.length - 1;
      const target = relative(dirname(path), `${worker}.js`);
      await Deno.writeTextFile(`${bundle}/${path}`, parts.join(`./${target}`));
    }
    if (links !== 1) throw new Error(`the bundle names ${source} ${links} times, wanted once`);
  }
}

await Deno.remove(bundle, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
await deno([
  ...["bundle", "--quiet", "--code-splitting", "--minify", "--outdir", bundle],
  ...[MAIN, ...WORKERS].map((entry) => `src/${entry}.ts`),
]);
const files = await bundleFiles();
await linkWorkers(files);
await deno([
  "compile",
  "--quiet",
  "--no-check",
  "--no-lock",
  "--no-config",
  "--unstable-webgpu",
  ...PERMISSIONS,
  ...files.filter((path) => path !== `${MAIN}.js`).flatMap((path) => [
    "--include",
    `${bundle}/${path}`,
  ]),
  "--output",
  output,
  `${bundle}/${MAIN}.js`,
]);
const { size } = await Deno.stat(output);
console.log(`compiled/metarl: ${(size / 1e6).toFixed(1)} MB`);
