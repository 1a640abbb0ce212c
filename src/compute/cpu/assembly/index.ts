// Everything that the host calls. A kernel's work item is fn(args, item, scratch, workspace):
// `args` a struct in memory, `item` the index of the work item, `scratch` the thread's own
// memory, `workspace` memory of the whole command, shared by its passes. `..._scratch(args,
// scratch)` tells how many bytes of scratch a kernel needs, writing its layout table there.
export { policy_forward, policy_forward_scratch } from "./policy";
export {
  policy_partials,
  surrogate_gradient,
  surrogate_gradient_finish,
  surrogate_gradient_scratch,
} from "./surrogate";
export {
  inner_step_pullback,
  inner_step_pullback_finish,
  inner_step_pullback_scratch,
} from "./pullback";
export {
  encoder_backward,
  encoder_backward_scratch,
  encoder_forward,
  encoder_forward_scratch,
} from "./encoder";
export {
  dynamics_errors,
  dynamics_errors_finish,
  dynamics_forward,
  dynamics_gradient,
  dynamics_gradient_finish,
  dynamics_gradient_partials,
  dynamics_rows_scratch,
} from "./dynamics_rows";
export { dynamics_train, dynamics_train_scratch } from "./dynamics_train";
export { dynamics_rollout, dynamics_rollout_scratch } from "./dynamics_rollout";
export { adam, broadcast_row, clear, interpolate, sgd_step, sum_rows } from "./elementwise";
export { multiply_add_limit } from "./limit";
