/**
 * The task encoder of one task, on this thread: from the first round's rollouts to the task's
 * embedding and its modulation.
 *
 * Axis letters: E rollouts, T steps, I encoder input, C cell of the encoder.
 */
import { CpuInstance } from "../compute/cpu/cpu_instance.ts";
import type { Tensor } from "../compute/device.ts";
import { encoderLayout, type EncoderSpec } from "../compute/layout.ts";
import { initEncoder } from "../nn/init.ts";
import { KeyedRandom } from "../util/prng.ts";

/** Kernel and tensors of the encoder, prepared once. */
export class TaskEncoder {
  /** [1, modulation] overwritten by {@link encode} */
  readonly modulation: Tensor;
  readonly #cpu: CpuInstance;
  readonly #params: Tensor;
  readonly #sequences: Tensor;
  readonly #embedding: Tensor;
  readonly #forward: () => void;

  /**
   * @param rollouts E
   * @param steps T
   */
  constructor(cpu: CpuInstance, spec: EncoderSpec, rollouts: number, steps: number) {
    this.#cpu = cpu;
    this.modulation = cpu.tensor("modulation", [1, spec.outputDim]);
    this.#params = cpu.tensor("encoder", [encoderLayout(spec).size]);
    this.#sequences = cpu.tensor("sequences", [rollouts, steps, spec.inputDim]);
    this.#embedding = cpu.tensor("task embedding", [1, spec.cellSize]);
    const numPaths = cpu.tensor("paths per task", [1], "u32");
    cpu.view(numPaths).fill(rollouts);
    this.#forward = cpu.prepare({
      kernel: "encoder_forward",
      spec,
      params: this.#params,
      sequences: this.#sequences,
      slots: rollouts,
      numPaths,
      lastState: cpu.tensor("last state", [rollouts, spec.cellSize]),
      taskEmbedding: this.#embedding,
      modulation: this.modulation,
    });
  }

  /** The encoder that a run of this seed starts with. */
  static initial(spec: EncoderSpec, rollouts: number, steps: number, seed: number): TaskEncoder {
    const encoder = new TaskEncoder(new CpuInstance(), spec, rollouts, steps);
    encoder.load(initEncoder(new KeyedRandom(seed), spec));
    return encoder;
  }

  /** Takes parameters [Q]. */
  load(params: Float32Array): void {
    this.#cpu.view(this.#params).set(params);
  }

  /** Reads sequences [E, T, I]; gives the embedding [C], which the next call overwrites. */
  encode(sequences: Float32Array): Float32Array {
    this.#cpu.view(this.#sequences).set(sequences);
    this.#forward();
    return this.#cpu.view(this.#embedding) as Float32Array;
  }
}
