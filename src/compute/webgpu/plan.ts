/** From a command to its launches. */
import { RunError } from "../../util/errors.ts";
import { checkCommand } from "../checks.ts";
import type { Command } from "../kernels.ts";
import { planAdam, planBroadcastRow, planClear, planSgdStep, planSumRows } from "./elementwise.ts";
import { planEncoderBackward } from "./encoder_backward.ts";
import { planEncoderForward } from "./encoder_forward.ts";
import { planInnerStepPullback } from "./inner_step_pullback.ts";
import type { Dispatch, PlanContext } from "./kernel.ts";
import { planPolicyForward } from "./policy_forward.ts";
import { planSurrogateGradient } from "./surrogate_gradient.ts";

/**
 * Launches of a command, in order.
 * @throws {RunError} `kernel-arguments` where a tensor does not fit the kernel's contract
 */
export function plan(command: Command, context: PlanContext): Dispatch[] {
  checkCommand(command);
  switch (command.kernel) {
    case "policy_forward":
      return planPolicyForward(command, context);
    case "surrogate_gradient":
      return planSurrogateGradient(command, context);
    case "inner_step_pullback":
      return planInnerStepPullback(command, context);
    case "encoder_forward":
      return planEncoderForward(command, context);
    case "encoder_backward":
      return planEncoderBackward(command, context);
    case "broadcast_row":
      return planBroadcastRow(command, context);
    case "sgd_step":
      return planSgdStep(command, context);
    case "sum_rows":
      return planSumRows(command, context);
    case "clear":
      return planClear(command, context);
    case "adam":
      return planAdam(command, context);
    default:
      throw new RunError("kernel-arguments", `Cannot run ${command.kernel}: not on this device`);
  }
}
