/** What stands around a mean over runs or seeds. */
import { mean, meanInterval } from "../util/statistics.ts";

/** A mean and what is drawn around it. */
export interface MeanBand {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Mean with its 95 % interval (Student's t). Of two values, whose interval would be 13 standard
 * errors wide, the band goes from one to the other; of one it has no width.
 */
export function meanBand(values: readonly number[]): MeanBand {
  if (values.length < 3) {
    return { mean: mean(values), low: Math.min(...values), high: Math.max(...values) };
  }
  const { mean: middle, halfWidth } = meanInterval(values);
  return { mean: middle, low: middle - halfWidth!, high: middle + halfWidth! };
}

/** What {@link meanBand} shows of so many of them. @param things e.g. `runs` */
export function bandText(count: number, things: "runs" | "seeds"): string {
  if (count < 2) return `one ${things.slice(0, -1)}`;
  return count === 2
    ? `mean of 2 ${things}, the band goes from one to the other`
    : `mean of ${count} ${things} with its 95 % interval (Student's t)`;
}
