/** Reading files that a user names: a device such as /dev/zero has no end and is refused. */

/**
 * All bytes of a file or pipe.
 *
 * @throws Error with the reason: what `Deno.readFileSync` throws, or that it is a device
 */
export function readWholeFile(path: string): Uint8Array<ArrayBuffer> {
  const { isCharDevice, isBlockDevice } = Deno.statSync(path);
  if (isCharDevice || isBlockDevice) throw new Error("it is a device");
  return Deno.readFileSync(path);
}

/** The same as text. */
export function readWholeText(path: string): string {
  return new TextDecoder().decode(readWholeFile(path));
}
