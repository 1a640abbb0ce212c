/**
 * The two kinds of error that a user sees. Only `cli` prints them: one line, no stack.
 * A {@link UserError} means that what was asked can't be done as asked (exit code 2); a
 * {@link RunError} means that something failed while doing it (exit code 1). Any other error
 * is a defect of metarl. Their messages may quote files of any origin and stay one printable line.
 */

/** Most characters of a message: a file's own text in it may have any length. */
const LONGEST = 2000;

/** What a terminal would obey or print in another order; halves of characters. */
const CONTROLS = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;

/** `\u001b` for a character. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * A text of any origin, for a terminal: what that would obey is shown instead, as in JSON. Lines and
 * tabs stay.
 */
export function visible(text: string): string {
  return text.replaceAll(
    CONTROLS,
    (found) => found === "\n" || found === "\t" ? found : escaped(found),
  );
}

/** A text without its middle, where it is endless. */
function shortened(text: string): string {
  const end = LONGEST / 4;
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - end)} ... ${text.slice(-end)}`;
}

/**
 * A message as it may be printed, whatever text of a file it quotes: on one line, no control
 * characters, its middle left out where it is endless.
 */
function printable(message: string): string {
  const line = shortened(message).replaceAll(/\s*\n\s*/g, " ");
  // what is escaped is longer
  return shortened(line.replaceAll(CONTROLS, escaped));
}

/** The user's mistake: bad option, config, file. Message: what, where, what to do. */
export class UserError extends Error {
  /** Name of the class. */
  override name = "UserError";
  /** An error with a stable `code`, e.g. `config-unknown-key`. */
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** A failure while working: a write error, a lost device, a value that is not finite. */
export class RunError extends Error {
  /** Name of the class. */
  override name = "RunError";
  /** An error with a stable `code`, e.g. `device-lost`. */
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** Advice of Deno's where a permission is missing: it is for whoever compiles metarl. */
const PERMISSION_ADVICE = /, (run again with|specify the required permissions) .*$/s;

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof Deno.errors.NotCapable
    ? error.message.replace(PERMISSION_ADVICE, ", a permission that metarl does not have")
    : error.message;
}
