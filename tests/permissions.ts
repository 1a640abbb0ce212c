/**
 * Plain `deno test` grants nothing; `deno task test` grants what deno.json's permission set says.
 * Tests that need files or processes are skipped without it, by `ignore: lacks("read", ...)`.
 */

/** Whether one of these permissions is missing. */
export function lacks(...names: ("read" | "write" | "run" | "env" | "sys")[]): boolean {
  return names.some((name) => Deno.permissions.querySync({ name }).state !== "granted");
}

/** Registers a test. */
type Register = (name: string, fn: () => void | Promise<void>) => void;

/** `Deno.test`, or where one of these permissions is missing, the form of it that skips. */
export function testNeeding(...names: Parameters<typeof lacks>): Register {
  return lacks(...names) ? Deno.test.ignore : Deno.test;
}
