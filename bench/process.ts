/** Programs that the benchmarks start. */

export const ROOT = new URL("..", import.meta.url).pathname;

/** A program that ended; `stdout` is empty where it was not asked for. */
export interface Ended {
  readonly stdout: string;
  readonly milliseconds: number;
}

/** Runs a program to its end. @throws Error with its standard error where it fails */
export async function runProgram(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const start = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(command, {
    ...{ args: [...args], env, cwd: ROOT },
  }).output();
  const milliseconds = performance.now() - start;
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  }
  return { stdout: new TextDecoder().decode(stdout), milliseconds };
}

/** Arguments with which Deno runs metarl from its sources. */
export const FROM_SOURCE = ["run", "-A", "--no-check", "src/cli/main.ts"] as const;

/** Path of the compiled program; `null` where it was not made. */
export async function compiledBinary(): Promise<string | null> {
  const path = `${ROOT}compiled/metarl`;
  return await Deno.stat(path).then(() => path, () => null);
}
