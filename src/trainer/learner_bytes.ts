/**
 * What the learner keeps on its device: a copy of all that it learns from, parameters of every task.
 * Left out: what kernels allocate while they run.
 */
import { MetaObjective, type MetaObjectiveSpec } from "../algos/meta_objective.ts";
import type { Device } from "../compute/device.ts";

/** Counted by a device that allocates nothing. */
export function learnerBytes(spec: MetaObjectiveSpec): number {
  let bytes = 0;
  const runs = () => Promise.reject(new Error("Cannot run a kernel: this device only counts"));
  const counting: Device = {
    kind: "reference",
    description: "counts what is allocated",
    tensor: (label, shape, type = "f32") => {
      const size = shape.reduce((product, extent) => product * extent, 1);
      bytes += 4 * size;
      return { label, shape, size, type };
    },
    write: () => {},
    submit: runs,
    read: runs,
    free: () => {},
    close: () => Promise.resolve(),
  };
  new MetaObjective(counting, spec);
  return bytes;
}
