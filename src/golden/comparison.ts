/** Collects comparisons of computed with stored numbers and keeps the worst. */
import type { DeviceKind } from "../compute/device.ts";
import { flatten, type Nested, type Tensors } from "./fixture.ts";

/** Largest relative error that passes, by arithmetic; reasons in docs/decisions.md. */
export interface Tolerances {
  /** Values and first-order gradients. */
  readonly value: number;
  /** Gradients through inner gradient steps. */
  readonly metaGradient: number;
}

/** 1e-9 in float64; 1e-5 for values and 1e-4 for meta-gradients in float32. */
export function tolerancesOf(kind: DeviceKind | "host"): Tolerances {
  return kind === "reference" || kind === "host"
    ? { value: 1e-9, metaGradient: 1e-9 }
    : { value: 1e-5, metaGradient: 1e-4 };
}

/** One compared tensor. */
export interface Difference {
  readonly tensor: string;
  /** max |actual - expected| / max |expected|, over the tensor; NaN where a value is not finite */
  readonly error: number;
  readonly tolerance: number;
}

/** Relative error of a tensor, measured by its largest entry. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) {
    throw new RangeError(
      `Cannot compare: ${actual.length} numbers computed, ${expected.length} stored`,
    );
  }
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i])) return NaN;
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    scale = Math.max(scale, Math.abs(expected[i]));
  }
  return difference === 0 ? 0 : scale === 0 ? difference : difference / scale;
}

/** The comparisons of one fixture on one backend. */
export class Comparison {
  readonly #differences: Difference[] = [];

  constructor(readonly tolerances: Tolerances) {}

  /** Compares one tensor. */
  add(
    tensor: string,
    actual: ArrayLike<number>,
    expected: Nested,
    tolerance: number = this.tolerances.value,
  ): void {
    const error = relativeError(actual, flatten(expected));
    this.#differences.push({ tensor, error, tolerance });
  }

  /** Compares a flat parameter vector with named tensors, each by its own scale. */
  addParams(
    prefix: string,
    actual: ArrayLike<number>,
    entries: readonly { name: string; offset: number; size: number }[],
    expected: Tensors,
    tolerance: number = this.tolerances.value,
  ): void {
    const numbers = Array.from(actual);
    for (const { name, offset, size } of entries) {
      this.add(
        `${prefix}.${name}`,
        numbers.slice(offset, offset + size),
        expected[name],
        tolerance,
      );
    }
  }

  /** Number of tensors compared. */
  get count(): number {
    return this.#differences.length;
  }

  /** The comparison that comes closest to its tolerance, or exceeds it most. */
  worst(): Difference {
    if (this.#differences.length === 0) throw new RangeError("Cannot judge: nothing was compared");
    const badness = (d: Difference) => Number.isNaN(d.error) ? Infinity : d.error / d.tolerance;
    return this.#differences.reduce((a, b) => badness(b) > badness(a) ? b : a);
  }
}
