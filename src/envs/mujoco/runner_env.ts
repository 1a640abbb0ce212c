/** What the planar runners and the swimmer are paid for: how x changes in a control step. */
import { MujocoEnv } from "./mujoco_env.ts";

/** Remembers the first position, x of the torso, from before the step. */
export abstract class RunnerEnv extends MujocoEnv {
  #before = 0;

  protected override beforeStep(): void {
    this.#before = this.sim.qpos[0];
  }

  /** Mean speed along x in the last control step, in m/s. */
  protected speed(): number {
    return (this.sim.qpos[0] - this.#before) / this.dt;
  }
}
