/** What runs of `famle adapt` amount to, on rewards written down here. */
import assert from "node:assert/strict";
import {
  episodesUntil,
  healthyReward,
  type MethodName,
  type MethodRuns,
  recoveredReward,
  recoveryTests,
  resultTable,
  summarize,
} from "../../src/cli/famle/results.ts";
import type { EpisodeReport } from "../../src/trainer/online_control.ts";

/** Runs with these rewards [seeds][episodes]. */
function runsOf(method: MethodName, rewards: readonly (readonly number[])[]): MethodRuns {
  const report = (reward: number, episode: number): EpisodeReport => ({
    episode,
    damage: { name: "healthy", row: new Float64Array(0) },
    reward,
    steps: 50,
    stopped: reward < 0 ? "joint0 is NaN" : null,
    nonFinite: 2,
    plannedWith: null,
    observations: new Float64Array(0),
    actions: new Float64Array(0),
    learned: null,
    planSeconds: 0,
    stepSeconds: 0,
  });
  return { method, runs: rewards.map((list) => list.map(report)) };
}

Deno.test("healthyReward() is the mean over the last five episodes and all seeds", () => {
  const runs = [[100, 1, 2, 3, 4, 5], [100, 3, 4, 5, 6, 7]];
  assert.equal(healthyReward([runsOf("healthy", runs)]), 4);
  assert.equal(healthyReward([runsOf("famle", runs)]), null);
});

Deno.test("episodesUntil() counts from 1 and takes a reward that is just enough", () => {
  assert.equal(episodesUntil([1, 9, 10], 9), 2);
  assert.equal(episodesUntil([1, 2], 9), null);
});

Deno.test("recoveredReward() is 90 % of a healthy reward that is above 0", () => {
  assert.equal(recoveredReward(10), 9);
  assert.equal(recoveredReward(0), null);
  assert.equal(recoveredReward(-10), null, "-9 would be more than the healthy robot has");
  assert.equal(recoveredReward(null), null);
  assert.equal(summarize(runsOf("famle", [[1]]), -10).recovery, null);
});

Deno.test("summarize() counts a run that does not recover as one episode more", () => {
  const famle = runsOf("famle", [[1, 9, 10], [2, 3, -4]]);
  const { perEpisode, last, recovery, meanRecovery, stopped, nonFinite } = summarize(famle, 10);
  assert.deepEqual(perEpisode.map((point) => point.mean), [1.5, 6, 3]);
  // the mean of (1 + 9 + 10) / 3 and (2 + 3 - 4) / 3
  assert.ok(Math.abs(last.mean - 3.5) < 1e-12);
  assert.deepEqual(recovery, [2, null]);
  assert.equal(meanRecovery!.mean, 3);
  assert.equal(stopped, 1);
  assert.equal(nonFinite, 12);
  assert.equal(summarize(famle, null).recovery, null);
  assert.equal(summarize(runsOf("healthy", [[1]]), 10).recovery, null);
});

Deno.test("recoveryTests() compares the seeds that both methods have", () => {
  const methods = (seeds: number) => [
    runsOf("healthy", [[10]]),
    runsOf("famle", Array.from({ length: seeds }, () => [9, 9, 9])),
    runsOf("mbrl", Array.from({ length: seeds }, () => [1, 9, 9])),
    runsOf("maml", Array.from({ length: seeds }, () => [9, 9, 9])),
  ];
  assert.deepEqual(recoveryTests(methods(5)), [
    { than: "mbrl", p: 1 / 32, pairs: 5 },
    { than: "maml", p: 1, pairs: 5 },
  ]);
  assert.deepEqual(recoveryTests(methods(4)), [], "too few seeds to say anything");
  assert.equal(recoveryTests(methods(23))[0].pairs, 20);
});

Deno.test("recoveryTests() counts a run that never recovers as later than the last episode", () => {
  const five = (rewards: readonly number[]) => Array.from({ length: 5 }, () => rewards);
  const famle = runsOf("famle", five([1, 1, 9])), mbrl = runsOf("mbrl", five([1, 1, 1]));
  assert.equal(recoveryTests([runsOf("healthy", [[10]]), famle, mbrl])[0].p, 1 / 32);
});

Deno.test("resultTable() names who did not recover", () => {
  const lines = resultTable([
    summarize(runsOf("healthy", [[10, 10], [10, 10]]), 10),
    summarize(runsOf("famle", [[1, 9], [1, 2]]), 10),
    summarize(runsOf("mbrl", [[1, 2], [1, 2]]), 10),
  ]);
  assert.match(lines[0], /^reward per episode +1\. +last 2 +until 90 % of healthy$/);
  assert.match(lines[1], /^healthy robot .* -$/);
  // 2 and 3 episodes: mean 2.5, half of the interval t(1) * 0.5 = 12.706 / 2
  assert.match(lines[2], /^FAMLE .* 2\.5 ± 6\.4 episodes, 1 of 2 never$/);
  assert.match(lines[3], /^from scratch \(MBRL\) .* never$/);
  assert.equal(new Set(lines.map((line) => line.length)).size, 1, "columns end together");
});
