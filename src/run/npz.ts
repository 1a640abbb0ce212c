/**
 * Several named arrays in one `.npz` file: a ZIP archive of `.npy` files, as `numpy.savez_compressed`
 * writes it and `numpy.load` reads it.
 *
 * Left out: writing archives beyond 4 GB.
 */
import { zipSync } from "fflate";
import { MemoryBudget, readContent } from "./data_file.ts";
import { type NpyArray, readNpy, writeNpy } from "./npy.ts";
import { unzip } from "./zip.ts";

const SUFFIX = ".npy";

/** The earliest time that a ZIP archive can hold: the same arrays give the same bytes. */
const NO_TIME = new Date(1980, 0, 1);

/**
 * The arrays in a `.npz` file by name.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged` for anything but a whole archive of arrays of numbers
 */
export function readNpz(archive: Uint8Array, source: string): Map<string, NpyArray> {
  const files = readContent(source, () => unzip(archive, new MemoryBudget(archive.length)));
  const arrays = new Map<string, NpyArray>();
  for (const [name, file] of files) {
    if (!name.endsWith(SUFFIX)) continue;
    arrays.set(name.slice(0, -SUFFIX.length), readNpy(file, `${name} in ${source}`));
  }
  return arrays;
}

/** The bytes of a `.npz` file; the same arrays give the same bytes. */
export function writeNpz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [name + SUFFIX, writeNpy(array)]);
  return zipSync(Object.fromEntries(files), { mtime: NO_TIME });
}
