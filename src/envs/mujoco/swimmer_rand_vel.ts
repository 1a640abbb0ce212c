/**
 * SwimmerRandVelEnv: swim along x at a speed, uniform in 0.1 to 0.2 m/s (jonasrothfuss/ProMP,
 * `swimmer_rand_vel`). The published reward is the difference from the wanted speed without the
 * minus, so that it pays to be wrong; `compat`: `mmaml-rl` reproduces that.
 *
 *     observation [8]   positions without x and y [3], velocities [5]
 *     action      [2]   torques between the links
 *     reward            forward: -|speed - wanted|, in m/s
 *                       ctrl: -1e-4 sum a^2
 *     task        [1]   speed
 *     start             positions +- 0.1, velocities +- 0.1
 *     end               never
 */
import type { OptionRow } from "../env.ts";
import { mujocoDefinition, sumOfSquares } from "./mujoco_env.ts";
import { positions, velocities } from "./observation.ts";
import { SWIMMER } from "./robots.ts";
import { RunnerEnv } from "./runner_env.ts";
import { speedTask } from "./tasks.ts";

const OPTIONS: readonly OptionRow[] = [{
  name: "compat",
  meaning: "mmaml-rl: pays for the difference from the wanted speed, as the published code does",
  kind: "choice",
  choices: ["none", "mmaml-rl"],
  default: "none",
}];

/** The definition for the registry. */
export const swimmerRandVel = mujocoDefinition("SwimmerRandVelEnv", OPTIONS, (values) => {
  const published = values.get("compat") === "mmaml-rl";
  const sign = published ? 1 : -1;

  class SwimmerRandVelEnv extends RunnerEnv {
    protected score(action: Float64Array): void {
      this.rewardParts[0] = sign * Math.abs(this.speed() - this.task[0]);
      this.rewardParts[1] = -1e-4 * sumOfSquares(action);
    }
  }

  return {
    version: 1,
    description: "swimmer, swim at a speed of 0.1 to 0.2 m/s",
    robot: SWIMMER,
    frameSkip: 4,
    observation: [positions(SWIMMER, 2), velocities(SWIMMER)],
    rewardParts: [
      {
        name: "forward",
        meaning: `${published ? "" : "minus "}difference from the wanted speed`,
        unit: "m/s",
      },
      { name: "ctrl", meaning: "-1e-4 sum of squared controls", unit: "1" },
    ],
    task: speedTask(0.1, 0.2),
    maxSteps: 200,
    create: (...parts) => new SwimmerRandVelEnv(...parts),
  };
});
