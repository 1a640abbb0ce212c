/** Golden check of the optimiser: the parameters after each step, in both flavours. */
import type { Device } from "../compute/device.ts";
import type { Comparison } from "./comparison.ts";

interface AdamFixture {
  readonly learning_rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly initial: number[];
  readonly gradients: number[][];
  readonly expected: { readonly tensorflow: number[][]; readonly pytorch: number[][] };
}

/** Checks `adam.json` on a device. */
export async function checkAdam(
  device: Device,
  content: unknown,
  comparison: Comparison,
): Promise<void> {
  const f = content as AdamFixture;
  for (const flavour of ["tensorflow", "pytorch"] as const) {
    const shape = [f.initial.length];
    const tensors = {
      params: device.tensor("params", shape),
      grad: device.tensor("gradient", shape),
      m: device.tensor("first moment", shape),
      v: device.tensor("second moment", shape),
    };
    try {
      device.write(tensors.params, f.initial);
      // moments start at zero, whatever was there
      const garbage = new Float64Array(f.initial.length).fill(7);
      for (const moment of [tensors.m, tensors.v]) {
        device.write(moment, garbage);
        await device.submit([{ kernel: "clear", out: moment }]);
      }
      for (const [index, gradient] of f.gradients.entries()) {
        device.write(tensors.grad, gradient);
        await device.submit([{
          kernel: "adam",
          ...tensors,
          lr: f.learning_rate,
          beta1: f.beta1,
          beta2: f.beta2,
          epsilon: f.epsilon,
          step: index + 1,
          flavour,
        }]);
        comparison.add(
          `${flavour} step ${index + 1}`,
          await device.read(tensors.params),
          f.expected[flavour][index],
        );
      }
    } finally {
      for (const tensor of Object.values(tensors)) device.free(tensor);
    }
  }
}
