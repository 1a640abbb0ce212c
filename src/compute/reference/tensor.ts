/** Tensors of the reference device: plain float64 arrays, also for indices. */
import type { ElementType, Tensor } from "../device.ts";

/** A tensor that holds its numbers itself. */
export interface ReferenceTensor extends Tensor {
  readonly data: Float64Array;
}

/** New tensor of zeros. */
export function referenceTensor(
  label: string,
  shape: readonly number[],
  type: ElementType,
): ReferenceTensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { label, shape: [...shape], size, type, data: new Float64Array(size) };
}

/** The tensor with its numbers. @throws TypeError for a tensor of another device. */
export function values(tensor: Tensor): ReferenceTensor {
  const data = (tensor as Partial<ReferenceTensor>).data;
  if (!(data instanceof Float64Array)) {
    throw new TypeError(`Cannot use tensor ${tensor.label}: it is not on the reference device`);
  }
  return tensor as ReferenceTensor;
}
