/**
 * Writes WGSL line by line and counts, along the way, how many loop iterations one invocation
 * executes at most. The count matters: lavapipe before Mesa 23 silently ends every loop once an
 * invocation has executed 65,535 iterations, all its loops together. The pass in which a loop finds
 * its end counts too.
 */

/** A `for` loop; `passes` is the largest number of iterations, whatever the expressions give. */
export interface LoopHead {
  readonly variable: string;
  readonly from?: string;
  /** Exclusive end, a WGSL expression. */
  readonly to: string;
  readonly step?: number;
  readonly passes: number;
}

/** Indented WGSL text with a count of loop iterations. */
export class WgslWriter {
  readonly #lines: string[] = [];
  #depth = 0;
  #iterations = 0;

  /** Loop iterations of one invocation so far, at most. */
  get iterations(): number {
    return this.#iterations;
  }

  /** Adds lines at the current depth. */
  line(...texts: string[]): void {
    for (const text of texts) {
      this.#lines.push(text === "" ? "" : "  ".repeat(this.#depth) + text);
    }
  }

  /** `head { body }`. */
  block(head: string, body: () => void): void {
    this.line(head === "" ? "{" : `${head} {`);
    this.#depth++;
    body();
    this.#depth--;
    this.line("}");
  }

  /**
   * A loop over u32; a single pass from a known start becomes a plain block.
   * @returns iterations that one pass costs, the loops inside included
   */
  loop(head: LoopHead, body: () => void): number {
    const { variable, from = "0u", to, step = 1, passes } = head;
    const before = this.#iterations;
    this.#iterations = 0;
    const single = passes === 1 && /^\d+u$/.test(to) && /^\d+u$/.test(from);
    if (single) {
      this.block("", () => {
        this.line(`let ${variable} = ${from};`);
        body();
      });
    } else {
      const advance = step === 1 ? `${variable}++` : `${variable} += ${step}u`;
      this.block(`for (var ${variable} = ${from}; ${variable} < ${to}; ${advance})`, body);
    }
    const perPass = this.#iterations + (single ? 0 : 1);
    this.#iterations = before + passes * perPass + (single ? 0 : 1);
    return perPass;
  }

  /** Spreads `count` pieces of work over the `threads` of a workgroup, numbered by `lid`. */
  spread(variable: string, count: number, threads: number, body: () => void): void {
    if (count > threads) {
      const passes = Math.ceil(count / threads);
      this.loop({ variable, from: "lid", to: `${count}u`, step: threads, passes }, body);
    } else {
      this.block(count === threads ? "" : `if (lid < ${count}u)`, () => {
        this.line(`let ${variable} = lid;`);
        body();
      });
    }
  }

  /** `if (variable < end) {...} else if ...` over consecutive ranges. */
  branches(variable: string, parts: readonly { end: number; body: () => void }[]): void {
    parts.forEach(({ end, body }, at) => {
      this.block(`${at === 0 ? "if" : "else if"} (${variable} < ${end}u)`, body);
    });
  }

  toString(): string {
    return this.#lines.join("\n") + "\n";
  }
}
