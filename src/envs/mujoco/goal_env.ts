/** What the ants, the 3-link arms and the swimmers with a goal are paid for: being near it. */
import { MujocoEnv, sumOfSquares } from "./mujoco_env.ts";

/** A body, and what controls cost. */
export interface GoalPay {
  /** Name of the body that has to be at the goal. */
  readonly body: string;
  /** Factor on the sum of squared controls. */
  readonly ctrlCost: number;
}

/**
 * Reward parts: minus the distance from body to goal, summed over the goal's coordinates (the
 * task: x, y and perhaps z); minus the cost of the controls. A geom `target` marks the goal.
 */
export class GoalEnv extends MujocoEnv {
  readonly #pay: GoalPay;
  /** Index in `xpos` of the body's position. */
  readonly #body: number;
  /** Index of the marker, -1 where the model has none. */
  readonly #marker: number;

  /** @param parts what every environment is made with */
  constructor(pay: GoalPay, ...parts: ConstructorParameters<typeof MujocoEnv>) {
    super(...parts);
    const { model } = this.sim;
    this.#pay = pay;
    this.#body = 3 * model.index("body", pay.body);
    this.#marker = model.names("geom").indexOf("target");
  }

  protected override beforeReset(): void {
    // Only drawn: simulations that share the model show the goal of whichever began last.
    if (this.#marker >= 0) this.sim.model.handle.geom_pos.set(this.task, 3 * this.#marker);
  }

  tracePosition(out: Float64Array): void {
    const { xpos } = this.sim;
    out[0] = xpos[this.#body];
    out[1] = xpos[this.#body + 1];
  }

  protected override score(action: Float64Array): void {
    const { task, rewardParts, sim: { xpos } } = this;
    let distance = 0;
    for (let i = 0; i < task.length; i++) distance += Math.abs(xpos[this.#body + i] - task[i]);
    rewardParts[0] = -distance;
    rewardParts[1] = -this.#pay.ctrlCost * sumOfSquares(action);
  }
}
