/** Runs `metarl` from source in a process of its own, with the permissions of the task. */
import manifest from "../../deno.json" with { type: "json" };

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Flags of `deno task metarl`, e.g. `--allow-read`. */
export const TASK_FLAGS: readonly string[] = manifest.tasks.metarl.split(" ")
  .filter((word) => word.startsWith("--"));

/** What a process left. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Deno's arguments that run it. */
export function denoArguments(args: readonly string[], script: string = MAIN): string[] {
  return ["run", "--quiet", "--no-check", ...TASK_FLAGS, script, ...args];
}

/** The command, to run or to spawn. */
export function metarlCommand(
  args: readonly string[],
  cwd: string,
  script: string = MAIN,
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: denoArguments(args, script),
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs it to its end. */
export async function metarl(args: readonly string[], cwd: string): Promise<Finished> {
  const { code, stdout, stderr } = await metarlCommand(args, cwd).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Names in a folder. */
export function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Runs `body` in a new folder that is removed afterwards. */
export async function inTemporaryFolder(
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
