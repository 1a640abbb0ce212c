/** From a command to its launches. */
import { checkCommand } from "../checks.ts";
import type { Command } from "../kernels.ts";
import { planDynamicsGradient } from "./dynamics_gradient.ts";
import { planDynamicsRollout } from "./dynamics_rollout.ts";
import { planDynamicsErrors, planDynamicsForward } from "./dynamics_rows.ts";
import { planDynamicsTrain } from "./dynamics_train.ts";
import {
  planAdam,
  planBroadcastRow,
  planClear,
  planInterpolate,
  planSgdStep,
  planSumRows,
} from "./elementwise.ts";
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
    case "interpolate":
      return planInterpolate(command, context);
    case "dynamics_forward":
      return planDynamicsForward(command, context);
    case "dynamics_gradient":
      return planDynamicsGradient(command, context);
    case "dynamics_errors":
      return planDynamicsErrors(command, context);
    case "dynamics_train":
      return planDynamicsTrain(command, context);
    case "dynamics_rollout":
      return planDynamicsRollout(command, context);
  }
}
