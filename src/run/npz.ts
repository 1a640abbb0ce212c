/**
 * Several named arrays in one `.npz` file: a ZIP archive of `.npy` files, as `numpy.savez_compressed`
 * writes it and `numpy.load` reads it.
 *
 * Left out: archives beyond 4 GB, and the check sums of ZIP.
 */
import { unzipSync, zipSync } from "fflate";
import { messageOf } from "../util/errors.ts";
import { Damage, readContent } from "./data_file.ts";
import { type NpyArray, readNpy, writeNpy } from "./npy.ts";

const SUFFIX = ".npy";

/** Bytes that every file takes in an archive's directory, at least. */
const DIRECTORY_ENTRY = 46;

/** The earliest time that a ZIP archive can hold: the same arrays give the same bytes. */
const NO_TIME = new Date(1980, 0, 1);

/**
 * Files of a ZIP archive by name, unpacked.
 * @throws Damage
 */
export function unzip(archive: Uint8Array): Map<string, Uint8Array> {
  if (archive.length === 0) throw new Damage("it is empty");
  // fflate believes the archive's count of files, which a broken one states as anything to 2^32
  let files = 0;
  const filter = () => {
    if (++files * DIRECTORY_ENTRY > archive.length) throw new Damage("impossible count of files");
    return true;
  };
  try {
    return new Map(Object.entries(unzipSync(archive, { filter })));
  } catch (error) {
    throw new Damage(`it is no whole ZIP archive (${messageOf(error)})`);
  }
}

/**
 * The arrays in a `.npz` file by name.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged` for anything but a whole archive of arrays of numbers
 */
export function readNpz(archive: Uint8Array, source: string): Map<string, NpyArray> {
  const files = readContent(source, () => unzip(archive));
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
