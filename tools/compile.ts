/**
 * `deno task compile`: bundles the program (main module, sampling worker, kernel worker; what a
 * command does not need stays in its own file and is loaded when asked for) and makes one
 * executable of it, compiled/metarl. DENORT_BIN names the runtime where it can't be downloaded.
 */
const root = new URL("..", import.meta.url).pathname;
const bundle = `${root}compiled/bundle`;
const output = `${root}compiled/metarl`;

/** Modules that are started by URL, so the bundler has to be told of them. */
const ENTRIES = [
  "src/cli/main.ts",
  "src/trainer/sampler_worker.ts",
  "src/compute/cpu/cpu_worker.ts",
];

/** What the binary may do without asking: its own files; no network, no subprocess. */
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-sys", "--allow-env", "--no-prompt"];

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

/** Makes the worker URLs in the bundle point at the bundled workers; each must be there once. */
async function linkWorkers(): Promise<string[]> {
  const files = [...Deno.readDirSync(bundle)].map(({ name }) => name);
  for (const worker of ["sampler_worker", "cpu_worker"]) {
    if (!files.includes(`${worker}.js`)) throw new Error(`bundle has no ${worker}.js`);
    let links = 0;
    for (const name of files) {
      const path = `${bundle}/${name}`;
      const text = await Deno.readTextFile(path);
      const parts = text.split(`./${worker}.ts`);
      links += parts.length - 1;
      if (parts.length > 1) await Deno.writeTextFile(path, parts.join(`./${worker}.js`));
    }
    if (links !== 1) throw new Error(`the bundle names ${worker}.ts ${links} times, wanted once`);
  }
  return files;
}

await Deno.remove(bundle, { recursive: true }).catch((error) => {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
});
await deno(["bundle", "--quiet", "--code-splitting", "--minify", "--outdir", bundle, ...ENTRIES]);
const files = await linkWorkers();
await deno([
  "compile",
  "--quiet",
  "--no-check",
  "--no-lock",
  "--no-config",
  "--unstable-webgpu",
  ...PERMISSIONS,
  ...files.filter((name) => name !== "main.js").flatMap((name) => [
    "--include",
    `${bundle}/${name}`,
  ]),
  "--output",
  output,
  `${bundle}/main.js`,
]);
const { size } = await Deno.stat(output);
console.log(`compiled/metarl: ${(size / 1e6).toFixed(1)} MB`);
