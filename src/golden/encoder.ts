/** Golden check of the task encoder: forward values and all gradients. */
import type { Device } from "../compute/device.ts";
import { encoderLayout, type EncoderSpec } from "../compute/layout.ts";
import type { Comparison } from "./comparison.ts";
import { flatten, type Nested, type Tensors } from "./fixture.ts";
import { type FixturePath, packParams, padSequences } from "./meta.ts";

interface EncoderCase {
  readonly name: string;
  readonly obs_dim: number;
  readonly act_dim: number;
  readonly cell_size: number;
  readonly max_path_length: number;
  readonly tasks: FixturePath[][];
  readonly encoder: Tensors;
  readonly upstream_gradient: number[][];
  readonly expected: {
    readonly padded_sequences: Nested;
    readonly num_paths: Nested;
    readonly gru_last_state: Nested;
    readonly task_embedding: Nested;
    readonly modulation: Nested;
    readonly gradients: Tensors;
  };
}

/** Checks one case of `encoder.json` on a device. */
export async function checkEncoderCase(
  device: Device,
  content: unknown,
  comparison: Comparison,
): Promise<void> {
  const c = content as EncoderCase;
  const at = (name: string) => `${c.name}: ${name}`;
  const spec: EncoderSpec = {
    inputDim: c.obs_dim + c.act_dim + 1,
    cellSize: c.cell_size,
    mlpAfterGru: "gru_mlp0_W" in c.encoder,
    mlpAfterPool: "pool_mlp0_W" in c.encoder,
    outputDim: c.upstream_gradient[0].length,
  };
  const layout = encoderLayout(spec);
  const tasks = c.tasks.length;
  const input = padSequences(c.tasks, c.max_path_length, spec.inputDim);
  comparison.add(at("padded_sequences"), input.sequences, c.expected.padded_sequences);
  comparison.add(at("num_paths"), input.numPaths, c.expected.num_paths);

  const rows = tasks * input.slots;
  const tensors = {
    params: device.tensor("encoder", [layout.size]),
    sequences: device.tensor("sequences", [rows, c.max_path_length, spec.inputDim]),
    numPaths: device.tensor("paths per task", [tasks], "u32"),
    lastState: device.tensor("last state", [rows, spec.cellSize]),
    taskEmbedding: device.tensor("task embedding", [tasks, spec.cellSize]),
    modulation: device.tensor("modulation", [tasks, spec.outputDim]),
    gradModulation: device.tensor("modulation gradient", [tasks, spec.outputDim]),
    gradParams: device.tensor("encoder gradient", [layout.size]),
  };
  try {
    device.write(tensors.params, packParams(layout, c.encoder));
    device.write(tensors.sequences, input.sequences);
    device.write(tensors.numPaths, input.numPaths);
    device.write(tensors.gradModulation, flatten(c.upstream_gradient));
    const shared = { spec, slots: input.slots };
    await device.submit([
      { kernel: "encoder_forward", ...tensors, ...shared },
      { kernel: "encoder_backward", ...tensors, ...shared, scale: 1 },
    ]);
    const { expected } = c;
    comparison.add(
      at("gru_last_state"),
      await device.read(tensors.lastState),
      expected.gru_last_state,
    );
    comparison.add(
      at("task_embedding"),
      await device.read(tensors.taskEmbedding),
      expected.task_embedding,
    );
    comparison.add(at("modulation"), await device.read(tensors.modulation), expected.modulation);
    comparison.addParams(
      at("gradients"),
      await device.read(tensors.gradParams),
      layout.entries,
      expected.gradients,
    );
  } finally {
    for (const tensor of Object.values(tensors)) device.free(tensor);
  }
}
