/**
 * The two kinds of error that a user sees. Only `cli` prints them: one line, no stack.
 * A {@link UserError} means that what was asked can't be done as asked (exit code 2); a
 * {@link RunError} means that something failed while doing it (exit code 1). Any other error
 * is a defect of metarl.
 */

/** The user's mistake: bad option, config, file. Message: what, where, what to do. */
export class UserError extends Error {
  /** Name of the class. */
  override name = "UserError";
  /** An error with a stable `code`, e.g. `config-unknown-key`. */
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** A failure while working: a write error, a lost device, a value that is not finite. */
export class RunError extends Error {
  /** Name of the class. */
  override name = "RunError";
  /** An error with a stable `code`, e.g. `device-lost`. */
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
