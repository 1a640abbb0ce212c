/** Golden checks of code that runs on the host in float64: sample processing, point environment. */
import { replayMomentum } from "../envs/point/replay.ts";
import { type ProcessOptions, processPaths } from "../rollout/processor.ts";
import type { Comparison } from "./comparison.ts";

interface ProcessingCase {
  readonly name: string;
  readonly discount: number;
  readonly gae_lambda: number;
  readonly reg_coeff: number;
  readonly paths: { readonly observations: number[][]; readonly rewards: number[] }[];
  readonly expected: {
    readonly returns: number[][];
    readonly baselines: number[][];
    readonly advantages: number[][];
    readonly advantages_normalized: number[];
    readonly advantages_normalized_shifted_positive: number[];
    readonly average_return: number;
    readonly average_discounted_return: number;
  };
}

/** Checks one case of `sample_processing.json`. */
export function checkProcessingCase(content: unknown, comparison: Comparison): void {
  const c = content as ProcessingCase;
  const at = (name: string) => `${c.name}: ${name}`;
  const process = (normalizeAdv: boolean, positiveAdv: boolean) => {
    const options: ProcessOptions = {
      discount: c.discount,
      gaeLambda: c.gae_lambda,
      baseline: "LinearFeatureBaseline",
      normalizeAdv,
      positiveAdv,
      regCoeff: c.reg_coeff,
    };
    return processPaths(c.paths, options);
  };
  const plain = process(false, false);
  comparison.add(at("returns"), plain.returns, c.expected.returns);
  comparison.add(at("baselines"), plain.baselines, c.expected.baselines);
  comparison.add(at("advantages"), plain.advantages, c.expected.advantages);
  comparison.add(at("average_return"), [plain.averageReturn], c.expected.average_return);
  comparison.add(
    at("average_discounted_return"),
    [plain.averageDiscountedReturn],
    c.expected.average_discounted_return,
  );
  comparison.add(
    at("advantages_normalized"),
    process(true, false).advantages,
    c.expected.advantages_normalized,
  );
  comparison.add(
    at("advantages_normalized_shifted_positive"),
    process(true, true).advantages,
    c.expected.advantages_normalized_shifted_positive,
  );
}

interface PointCase {
  readonly goal: number[];
  readonly initial_position: number[];
  readonly initial_velocity: number[];
  readonly actions: number[][];
  readonly expected: { readonly observations: number[][]; readonly rewards: number[] };
}

/** Checks one case of `point_env.json`. */
export async function checkPointCase(content: unknown, comparison: Comparison): Promise<void> {
  const c = content as PointCase;
  const start = [...c.initial_position, ...c.initial_velocity];
  const replay = await replayMomentum(c.goal, start, c.actions);
  comparison.add("observations", replay.observations.flat(), c.expected.observations);
  comparison.add("rewards", replay.rewards, c.expected.rewards);
}
