/** What the disk under a folder can do: free space, how fast it takes a file. */
import { statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { RunError } from "../util/errors.ts";
import { fileErrorReason, writeAllSync } from "./files.ts";

/** Measured. */
export interface DiskFacts {
  /** The folder, or the nearest one above it that exists. */
  readonly folder: string;
  /** Bytes that this user may still write; `null` where the system doesn't tell. */
  readonly freeBytes: number | null;
  /** Of a new file, synced to the disk; `null` where there is too little room to measure it. */
  readonly bytesPerSecond: number | null;
}

function nearestFolder(path: string): string {
  for (let folder = resolve(path);; folder = dirname(folder)) {
    try {
      if (Deno.statSync(folder).isDirectory) return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || folder === dirname(folder)) throw error;
    }
  }
}

function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null; // a system without that call
  }
}

/** Whether the system refused for want of room: blocks, inodes or a quota. */
export function isOutOfSpace(error: unknown): boolean {
  const { code } = (error instanceof RunError ? error.cause : error) as { code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Removes a file that is open, so that it is gone however the process ends; Windows can't. */
function removeOpen(name: string): boolean {
  try {
    Deno.removeSync(name);
    return true;
  } catch {
    return false; // removed once it is closed
  }
}

/**
 * Writes a file of `bytes` below `path`, syncs it and removes it again; an empty one where that
 * would take more than half of what is free.
 *
 * @throws RunError `write-failed`
 */
export function measureDisk(path: string, bytes: number): DiskFacts {
  try {
    const folder = nearestFolder(path);
    const free = freeBytes(folder);
    const name = Deno.makeTempFileSync({ dir: folder, prefix: ".metarl-doctor-", suffix: ".tmp" });
    let isRemoved = false;
    try {
      using file = Deno.openSync(name, { write: true });
      isRemoved = removeOpen(name);
      if (free !== null && free < 2 * bytes) {
        return { folder, freeBytes: free, bytesPerSecond: null };
      }
      // not zeros: some disks compress
      const block = crypto.getRandomValues(new Uint8Array(65536));
      const start = performance.now();
      for (let written = 0; written < bytes; written += block.length) writeAllSync(file, block);
      file.syncSync();
      const seconds = (performance.now() - start) / 1000;
      return { folder, freeBytes: free, bytesPerSecond: bytes / seconds };
    } finally {
      if (!isRemoved) Deno.removeSync(name);
    }
  } catch (error) {
    throw new RunError("write-failed", `can't write below ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
}
