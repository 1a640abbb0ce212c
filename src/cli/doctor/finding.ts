/** What `metarl doctor` finds. */

/** One thing that was looked at. */
export interface Finding {
  /** `ok`; `none` for something that may be missing; `FAILED`. */
  readonly status: "ok" | "none" | "FAILED";
  /** What was looked at: `memory`, `kernels on cpu`. */
  readonly name: string;
  /** What was seen, one line. */
  readonly detail: string;
  /** Where it failed: what to do. */
  readonly advice?: string;
  /** The numbers of `detail`, for scripts. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** `12.3 GiB`, `512 MiB`. */
export function formatBytes(bytes: number): string {
  return bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(1)} GiB`
    : `${Math.round(bytes / 2 ** 20)} MiB`;
}
