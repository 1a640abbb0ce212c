/**
 * The packed row of a dynamics model: the embeddings as they are, then every layer's matrix and
 * bias padded with zeros to whole vec4s (padded units compute zeros). Gradients and the
 * optimiser's moments have the same layout, so that training works on packed rows alone.
 *
 * A rollout has a packed row of its own: the situation's embedding is multiplied in beforehand and
 * becomes part of the first bias; behind the layers follow the normalisation and the bounds.
 *
 * Axis letters: i input and j output of a layer, e embedding, z state, p parameter.
 */
import { dynamicsLayout, type DynamicsSpec, dynamicsWidths } from "../layout.ts";
import { type BindingDecl, buildKernel, elementMain, type Kernel } from "./kernel.ts";
import { type PackedLayer, padded } from "./layer_tile.ts";
import type { WgslWriter } from "./wgsl_writer.ts";

/** A layer's place in the packed row and in the flat parameter vector, in floats. */
interface PackedDynamicsLayer extends PackedLayer {
  readonly paramWeights: number;
  readonly paramBias: number;
}

/** Layout of a packed row and, with the loss behind it, of a gradient row. */
export interface PackedDynamics {
  readonly spec: DynamicsSpec;
  /** Behind the embeddings [G, E]. */
  readonly layers: readonly PackedDynamicsLayer[];
  /** P of the flat vector. */
  readonly numParams: number;
  /** Floats of a packed row; in a gradient row the loss comes here. */
  readonly size: number;
  /** Floats of a gradient row. */
  readonly gradSize: number;
}

/** Layout of the packed row of a rollout. */
export interface PackedRollout {
  readonly spec: DynamicsSpec;
  /** The first one without the embedding among its inputs. */
  readonly layers: readonly PackedDynamicsLayer[];
  /** [padded X] vec4 (mean, std, 0, 0) of the inputs */
  readonly inputScale: number;
  /** [padded Y] vec4 (mean, std, low, high) of the outputs and of the state */
  readonly outputScale: number;
  /** Floats of a packed row. */
  readonly size: number;
}

const wholeVectors = (floats: number) => Math.ceil(floats / 4) * 4;

/** Layers from float `first` on; of the first layer's inputs only so many. */
function packLayers(
  spec: DynamicsSpec,
  first: number,
  firstInputs: number,
): { layers: PackedDynamicsLayer[]; end: number } {
  const widths = dynamicsWidths(spec);
  const { entries } = dynamicsLayout(spec);
  let end = first;
  const layers = widths.slice(1).map((outputs, layer) => {
    const inputs = layer === 0 ? firstInputs : widths[layer];
    const [rows, columns] = [padded(inputs), padded(outputs)];
    const weights = end;
    const bias = weights + rows * columns;
    end = bias + columns;
    return {
      ...{ inputs, outputs, rows, columns, weights, bias },
      paramWeights: entries[1 + 2 * layer].offset,
      paramBias: entries[2 + 2 * layer].offset,
    };
  });
  return { layers, end };
}

/** Table of the packed row of a model. */
export function packDynamics(spec: DynamicsSpec): PackedDynamics {
  const { inputDim, situations, embeddingDim } = spec;
  // the way back to the embedding computes whole vec4s of its rows
  const inputs = inputDim + wholeVectors(embeddingDim);
  const { layers, end } = packLayers(spec, wholeVectors(situations * embeddingDim), inputs);
  const [first, ...others] = layers;
  return {
    spec,
    layers: [{ ...first, inputs: inputDim + embeddingDim }, ...others],
    numParams: dynamicsLayout(spec).size,
    size: end,
    gradSize: end + 4,
  };
}

/** Table of the packed row of a rollout. */
export function packRollout(spec: DynamicsSpec): PackedRollout {
  const { layers, end: inputScale } = packLayers(spec, 0, spec.inputDim);
  const outputScale = inputScale + 4 * layers[0].rows;
  const size = outputScale + 4 * layers.at(-1)!.columns;
  return { spec, layers, inputScale, outputScale, size };
}

/** Short text of a model's sizes, for messages. */
export function dynamicsSizes(spec: DynamicsSpec): string {
  const { inputDim, embeddingDim, situations, hiddenSizes, outputDim, activation } = spec;
  const input = embeddingDim === 0 ? `${inputDim}` : `${inputDim}+${embeddingDim}`;
  const table = situations === 0 ? "" : `, ${situations} situations`;
  const limit = spec.outputLimit === null ? "" : `, limit ${spec.outputLimit}`;
  return `${[input, ...hiddenSizes, outputDim].join("-")} ${activation}${table}${limit}`;
}

const read = (name: string): BindingDecl => ({ name, access: "read", element: "f32" });
const write = (name: string): BindingDecl => ({ name, access: "read_write", element: "f32" });

/** The part of a packed row that is a layer's weights: value = W[i,j] of params, 0 in the padding. */
function weightsBranch(w: WgslWriter, layer: PackedDynamicsLayer) {
  return {
    end: layer.bias,
    body: () => {
      w.line(
        `let i = (at - ${layer.weights}u) / ${layer.columns}u;`,
        `let j = (at - ${layer.weights}u) % ${layer.columns}u;`,
      );
      w.block(`if (i < ${layer.inputs}u && j < ${layer.outputs}u)`, () => {
        w.line(`value = params[${layer.paramWeights}u + i * ${layer.outputs}u + j];`);
      });
    },
  };
}

/** packed = params in the padded layout; also for moments, which have the parameters' layout. */
export function packDynamicsKernel({ spec, layers, size }: PackedDynamics): Kernel {
  return buildKernel({
    name: "pack_dynamics",
    sizes: dynamicsSizes(spec),
    header: [
      "packed = embeddings of params, then every layer's weights and bias, padded with zeros",
      "i input and j output of a layer; overwrites packed",
    ],
    bindings: [read("params"), write("packed")],
    body: (w) =>
      elementMain(w, `${size}u`, () => {
        w.line("let at = index;", "var value = 0.0;");
        w.branches(
          "at",
          [
            {
              end: layers[0].weights,
              body: () => {
                const count = spec.situations * spec.embeddingDim;
                w.line(`if (at < ${count}u) { value = params[at]; }`);
              },
            },
            ...layers.flatMap((layer) => [
              weightsBranch(w, layer),
              {
                end: layer.bias + layer.columns,
                body: () => {
                  w.line(`let j = at - ${layer.bias}u;`);
                  w.line(
                    `if (j < ${layer.outputs}u) { value = params[${layer.paramBias}u + j]; }`,
                  );
                },
              },
            ]),
          ].filter(({ end }) => end > 0),
        );
        w.line("packed[at] = value;");
      }),
  });
}

/**
 * params = packed without the padding.
 * @param gradient the packed row is a gradient row: its loss is wanted, too
 */
export function unpackDynamicsKernel(packed: PackedDynamics, gradient: boolean): Kernel {
  const { spec, layers, numParams, size } = packed;
  return buildKernel({
    name: gradient ? "unpack_dynamics_gradient" : "unpack_dynamics",
    sizes: dynamicsSizes(spec),
    header: [
      gradient
        ? "params = gradient row without the padding, loss[0] = the loss behind it"
        : "params = packed row without the padding",
      `p parameter; overwrites params${gradient ? " and loss" : ""}`,
    ],
    bindings: [read("packed"), write("params"), ...(gradient ? [write("loss")] : [])],
    body: (w) =>
      elementMain(w, `${numParams}u`, () => {
        w.line("let p = index;", "var at = p;");
        if (gradient) w.line(`if (p == 0u) { loss[0] = packed[${size}]; }`);
        w.branches(
          "p",
          [
            { end: layers[0].paramWeights, body: () => w.line("at = p;") },
            ...layers.flatMap((layer) => [
              {
                end: layer.paramBias,
                body: () => {
                  w.line(
                    `let i = (p - ${layer.paramWeights}u) / ${layer.outputs}u;`,
                    `let j = (p - ${layer.paramWeights}u) % ${layer.outputs}u;`,
                    `at = ${layer.weights}u + i * ${layer.columns}u + j;`,
                  );
                },
              },
              {
                end: layer.paramBias + layer.outputs,
                body: () => w.line(`at = ${layer.bias}u + p - ${layer.paramBias}u;`),
              },
            ]),
          ].filter(({ end }) => end > 0),
        );
        w.line("params[p] = packed[at];");
      }),
  });
}

/** The packed row of a rollout, with the embedding of one situation in the first bias. */
export function packRolloutKernel(packed: PackedRollout): Kernel {
  const { spec, layers, inputScale, outputScale, size } = packed;
  const { inputDim, outputDim, embeddingDim } = spec;
  const [meanOut, stdOut] = [2 * inputDim, 2 * inputDim + outputDim];
  return buildKernel({
    name: "pack_rollout",
    sizes: dynamicsSizes(spec),
    header: [
      "packed = every layer's weights and bias, padded with zeros, then (mean, std, 0, 0) of",
      "every input, then (mean, std, low, high) of every state column",
      ...(embeddingDim === 0 ? [] : ["first bias[j] += sum_e embedding[e] W[X + e, j]"]),
      "i input and j output of a layer, e embedding, z state; overwrites packed",
    ],
    bindings: [read("params"), read("normalizer"), read("bounds"), write("packed")],
    scalars: [{ name: "situation", type: "u32" }],
    body: (w) =>
      elementMain(w, `${size}u`, () => {
        w.line("let at = index;", "var value = 0.0;");
        w.branches("at", [
          ...layers.flatMap((layer, number) => [
            weightsBranch(w, layer),
            {
              end: layer.bias + layer.columns,
              body: () => {
                w.line(`let j = at - ${layer.bias}u;`);
                w.block(`if (j < ${layer.outputs}u)`, () => {
                  w.line(`value = params[${layer.paramBias}u + j];`);
                  if (number > 0 || embeddingDim === 0) return;
                  const weights = layer.paramWeights + inputDim * layer.outputs;
                  const head = { variable: "e", to: `${embeddingDim}u`, passes: embeddingDim };
                  w.loop(head, () => {
                    w.line(
                      `value += params[args.situation * ${embeddingDim}u + e] * ` +
                        `params[${weights}u + e * ${layer.outputs}u + j];`,
                    );
                  });
                });
              },
            },
          ]),
          {
            end: outputScale,
            body: () => {
              w.line(
                `let i = (at - ${inputScale}u) / 4u;`,
                `let part = (at - ${inputScale}u) % 4u;`,
              );
              w.block(`if (i < ${inputDim}u && part < 2u)`, () => {
                w.line(`value = normalizer[part * ${inputDim}u + i];`);
              });
            },
          },
          {
            end: size,
            body: () => {
              w.line(
                `let z = (at - ${outputScale}u) / 4u;`,
                `let part = (at - ${outputScale}u) % 4u;`,
              );
              w.block(`if (z < ${outputDim}u)`, () => {
                w.line(
                  `if (part == 0u) { value = normalizer[${meanOut}u + z]; }`,
                  `if (part == 1u) { value = normalizer[${stdOut}u + z]; }`,
                  `if (part >= 2u) { value = bounds[(part - 2u) * ${outputDim}u + z]; }`,
                );
              });
            },
          },
        ]);
        w.line("packed[at] = value;");
      }),
  });
}
