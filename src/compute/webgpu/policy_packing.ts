/**
 * Parameters as the tile kernels want them. Before a kernel runs, each task's parameters are
 * copied to a packed row: matrix sides padded with zeros to whole vec4s (padded units compute
 * tanh(0) = relu(0) = 0 and so change nothing), FiLM multiplied into the weights, exp(-log std)
 * taken. Afterwards the gradient of the packed row is taken back to parameters and modulation.
 *
 * FiLM is a change of variables: with u = x W + b and u' = u * g + beta, where g = gamma + 1 or
 * gamma, the network is a plain one with W' = W g, b' = b g + beta. So with X = d/dW', Xb = d/db'
 *
 *     d/dW = X g    d/db = Xb g    d/dgamma = sum_i W[i,:] X[i,:] + b Xb    d/dbeta = Xb
 *
 * and the tile kernels know nothing of modulation.
 *
 * Axis letters: m task, i input and j output of a layer, a action, p parameter, d modulation.
 */
import {
  type FilmSpec,
  layerWidths,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../layout.ts";
import { buildKernel, elementMain, type Kernel } from "./kernel.ts";
import { type PackedLayer, padded } from "./layer_tile.ts";
import { declareExp } from "./wgsl_math.ts";

/** Smallest |g| in the packed direction, whose products are later divided by g. */
const SMALLEST_SCALE = "1e-12";

/** Places of one layer's tensors, all in floats. */
export interface PackedPolicyLayer extends PackedLayer {
  /** In the flat parameter vector. */
  readonly paramWeights: number;
  readonly paramBias: number;
  /** In the modulation vector; `null` where the layer (or the policy) has none. */
  readonly gamma: number | null;
  readonly beta: number | null;
  /** In the gradient row: sum over samples of delta times tangent, one number per output. */
  readonly cross: number;
}

/** Layout of a task's packed row and of its gradient row. */
export interface PackedPolicy {
  readonly spec: PolicySpec;
  readonly layers: readonly PackedPolicyLayer[];
  /** P and D of the flat vectors. */
  readonly numParams: number;
  readonly numModulation: number;
  readonly paramLogStd: number;
  /** Float of the packed row at which [A] vec4 (log std, 1 / std, above floor, tangent) start. */
  readonly gaussian: number;
  /** Floats of a packed row: [4: task], layers, Gaussian. */
  readonly size: number;
  /** Floats in the gradient row: log std [A], then loss and KL. */
  readonly gradLogStd: number;
  readonly gradStats: number;
  /** Floats of a gradient row. */
  readonly gradSize: number;
}

/** Floats by which dynamic uniform offsets must be aligned (256 bytes). */
const ROW_ALIGNMENT = 64;

/** Table of the packed row of a policy. */
export function packPolicy(spec: PolicySpec): PackedPolicy {
  const widths = layerWidths(spec);
  const params = policyLayout(spec);
  const modulation = modulationLayout(spec);
  const paramOffset = (name: string) => params.entries.find((entry) => entry.name === name)!.offset;
  const filmOffset = (name: string) =>
    modulation.entries.find((entry) => entry.name === name)?.offset ?? null;
  let next = 4;
  const places = widths.slice(1).map((outputs, layer) => {
    const inputs = widths[layer];
    const [rows, columns] = [padded(inputs), padded(outputs)];
    const weights = next;
    const bias = weights + rows * columns;
    next = bias + columns;
    return {
      inputs,
      outputs,
      rows,
      columns,
      weights,
      bias,
      paramWeights: paramOffset(`W${layer}`),
      paramBias: paramOffset(`b${layer}`),
      gamma: filmOffset(`gamma${layer}`),
      beta: filmOffset(`beta${layer}`),
    };
  });
  const gaussian = next;
  const size = Math.ceil((gaussian + 4 * spec.actDim) / ROW_ALIGNMENT) * ROW_ALIGNMENT;
  const layers = places.map((place) => {
    const cross = next;
    next += place.columns;
    return { ...place, cross };
  });
  const gradLogStd = next;
  const gradStats = gradLogStd + padded(spec.actDim);
  return {
    spec,
    layers,
    numParams: params.size,
    numModulation: modulation.size,
    paramLogStd: paramOffset("log_std"),
    gaussian,
    size,
    gradLogStd,
    gradStats,
    gradSize: Math.ceil((gradStats + 2) / 4) * 4,
  };
}

/** Short text of a policy's sizes for messages; what `film` adds only some kernels depend on. */
export function policySizes(spec: PolicySpec, film: FilmSpec | null = null): string {
  const betas = film?.useBetas ? " with betas" : "";
  const shift = film?.shiftGammas ? ", gamma + 1" : "";
  return `${layerWidths(spec).join("-")} ${spec.activation}` +
    (film === null ? "" : `, FiLM${betas}${shift}`);
}

/** WGSL of the FiLM scale g of output j of task m. */
function filmScale(packed: PackedPolicy, layer: PackedPolicyLayer, j: string): string {
  const gamma = `modulation[m * ${packed.numModulation}u + ${layer.gamma}u + ${j}]`;
  return packed.spec.film!.shiftGammas ? `(1.0 + ${gamma})` : gamma;
}

/**
 * packed[m,:] from params[m,:] and modulation[m,:]; with `direction` also, behind all rows of the
 * first kind, rows of the same layout with the tangent `tangentScale * direction` of the packed
 * parameters.
 */
export function packKernel(
  packed: PackedPolicy,
  modulated: boolean,
  direction: boolean,
): Kernel {
  const { layers, spec } = packed;
  return buildKernel({
    name: "pack_policy",
    sizes: policySizes(spec, modulated ? spec.film : null),
    header: [
      "packed[m,:] = padded weights with FiLM multiplied in, Gaussian of the log std, per task m",
      ...(direction ? ["and behind all tasks: tangentScale * direction in the same layout"] : []),
      "overwrites packed",
    ],
    bindings: [
      { name: "params", access: "read", element: "f32" },
      ...(modulated ? [{ name: "modulation", access: "read", element: "f32" } as const] : []),
      ...(direction ? [{ name: "direction", access: "read", element: "f32" } as const] : []),
      { name: "packed", access: "read_write", element: "f32" },
    ],
    scalars: [
      { name: "tasks", type: "u32" },
      { name: "minLogStd", type: "f32" },
      { name: "tangentScale", type: "f32" },
    ],
    body: (w) => {
      declareExp(w);
      const row = (kind: "value" | "tangent") => {
        const source = kind === "value" ? "params" : "direction";
        const prefix = kind === "value" ? "" : "args.tangentScale * ";
        const scale = (layer: PackedPolicyLayer) => {
          if (!modulated || layer.gamma === null) return;
          w.line(`var g = ${filmScale(packed, layer, "j")};`);
          if (kind === "tangent") {
            w.line(`if (abs(g) < ${SMALLEST_SCALE}) { g = ${SMALLEST_SCALE}; }`);
          }
        };
        const times = (layer: PackedPolicyLayer) => modulated && layer.gamma !== null ? " * g" : "";
        w.branches("at", [
          { end: 4, body: () => w.line("value = f32(m);") },
          ...layers.flatMap((layer) => [
            {
              end: layer.bias,
              body: () => {
                w.line(
                  `let i = (at - ${layer.weights}u) / ${layer.columns}u;`,
                  `let j = (at - ${layer.weights}u) % ${layer.columns}u;`,
                );
                w.block(`if (i < ${layer.inputs}u && j < ${layer.outputs}u)`, () => {
                  scale(layer);
                  const place = `first + ${layer.paramWeights}u + i * ${layer.outputs}u + j`;
                  w.line(`value = ${prefix}${source}[${place}]${times(layer)};`);
                });
              },
            },
            {
              end: layer.bias + layer.columns,
              body: () => {
                w.line(`let j = at - ${layer.bias}u;`);
                w.block(`if (j < ${layer.outputs}u)`, () => {
                  scale(layer);
                  w.line(
                    `value = ${prefix}${source}[first + ${layer.paramBias}u + j]${times(layer)};`,
                  );
                  if (kind === "value" && modulated && layer.beta !== null) {
                    w.line(
                      `value += modulation[m * ${packed.numModulation}u + ${layer.beta}u + j];`,
                    );
                  }
                });
              },
            },
          ]),
          {
            end: packed.gaussian + 4 * spec.actDim,
            body: () => {
              w.line(
                `let a = (at - ${packed.gaussian}u) / 4u;`,
                `let raw = params[first + ${packed.paramLogStd}u + a];`,
                // select, unlike max, lets a NaN through
                "let logStd = select(raw, args.minLogStd, raw < args.minLogStd);",
                spec.learnStd
                  ? "let free = select(1.0, 0.0, raw < args.minLogStd);"
                  : "let free = 0.0;",
                `let part = (at - ${packed.gaussian}u) % 4u;`,
              );
              if (kind === "value") {
                w.line(
                  "value = select(select(free, exp1(-logStd), part == 1u), logStd, part == 0u);",
                );
              } else {
                const tangent = `direction[first + ${packed.paramLogStd}u + a]`;
                w.line(`value = args.tangentScale * free * ${tangent};`);
              }
            },
          },
        ]);
      };
      elementMain(w, `args.tasks * ${packed.size * (direction ? 2 : 1)}u`, () => {
        w.line(
          `let m = (index / ${packed.size}u) % args.tasks;`,
          `let at = index % ${packed.size}u;`,
          `let first = m * ${packed.numParams}u;`,
          "var value = 0.0;",
        );
        if (direction) {
          w.block(`if (index < args.tasks * ${packed.size}u)`, () => row("value"));
          w.block("else", () => row("tangent"));
        } else {
          row("value");
        }
        w.line("packed[index] = value;");
      });
    },
  });
}

/** What becomes of the gradient rows. */
export interface UnpackOptions {
  readonly modulated: boolean;
  /**
   * `gradient`: gradParams, gradModulation (overwritten) and stats of surrogate_gradient.
   * `pullback`: adjointOut = adjointIn + ..., gradModulation accumulates, no stats.
   */
  readonly mode: "gradient" | "pullback";
  /** Whether d/d modulation is wanted. */
  readonly gradModulation: boolean;
}

/** Parameter, modulation and statistics gradients from the summed gradient rows. */
export function unpackKernel(packed: PackedPolicy, options: UnpackOptions): Kernel {
  const { layers, spec, numParams, numModulation } = packed;
  const { modulated, mode } = options;
  const film = modulated && options.gradModulation;
  const pullback = mode === "pullback";
  const outputs = numParams + (film ? numModulation : 0) + (pullback ? 0 : 2);
  const read = (name: string) => ({ name, access: "read", element: "f32" } as const);
  const write = (name: string) => ({ name, access: "read_write", element: "f32" } as const);
  return buildKernel({
    name: "unpack_gradient",
    sizes: policySizes(spec, modulated ? spec.film : null),
    header: [
      "rows [m, gradient row] back to the layout of the parameters",
      pullback ? "outParams = adjoint + gradient" : "outParams = gradient, outStats = loss, KL",
      ...(film ? [pullback ? "outModulation accumulates" : "outModulation is overwritten"] : []),
      "the rest is overwritten",
    ],
    bindings: [
      read("rows"),
      ...(pullback ? [read("adjoint")] : []),
      ...(modulated ? [read("modulation")] : []),
      ...(film ? [read("params"), write("outModulation")] : []),
      write("outParams"),
      ...(pullback ? [] : [write("outStats")]),
    ],
    scalars: [{ name: "tasks", type: "u32" }],
    body: (w) => {
      const store = (value: string) => {
        const place = `m * ${numParams}u + at`;
        w.line(`outParams[${place}] = ${pullback ? `adjoint[${place}] + ` : ""}${value};`);
      };
      const scaled = (layer: PackedPolicyLayer) =>
        modulated && layer.gamma !== null ? ` * ${filmScale(packed, layer, "j")}` : "";
      const paramParts = [
        ...layers.flatMap((layer) => [
          {
            end: layer.paramBias,
            body: () => {
              w.line(
                `let i = (at - ${layer.paramWeights}u) / ${layer.outputs}u;`,
                `let j = (at - ${layer.paramWeights}u) % ${layer.outputs}u;`,
              );
              store(`rows[row + ${layer.weights}u + i * ${layer.columns}u + j]${scaled(layer)}`);
            },
          },
          {
            end: layer.paramBias + layer.outputs,
            body: () => {
              w.line(`let j = at - ${layer.paramBias}u;`);
              store(`rows[row + ${layer.bias}u + j]${scaled(layer)}`);
            },
          },
        ]),
        {
          end: numParams,
          body: () => store(`rows[row + ${packed.gradLogStd}u + at - ${packed.paramLogStd}u]`),
        },
      ];
      const storeModulation = (value: string) => {
        const place = `outModulation[m * ${numModulation}u + at - ${numParams}u]`;
        w.line(`${place} ${pullback ? "+=" : "="} ${value};`);
      };
      const filmParts = !film ? [] : layers.flatMap((layer) => {
        if (layer.gamma === null) return [];
        const gamma = {
          end: numParams + layer.gamma + layer.outputs,
          body: () => {
            w.line(
              `let j = at - ${numParams + layer.gamma!}u;`,
              `let weights = m * ${numParams}u + ${layer.paramWeights}u + j;`,
              `var sum = params[m * ${numParams}u + ${layer.paramBias}u + j] * ` +
                `rows[row + ${layer.bias}u + j];`,
            );
            w.loop({ variable: "i", to: `${layer.inputs}u`, passes: layer.inputs }, () => {
              w.line(
                `sum += params[weights + i * ${layer.outputs}u] * ` +
                  `rows[row + ${layer.weights}u + i * ${layer.columns}u + j];`,
              );
            });
            if (pullback) {
              w.line(
                `var g = ${filmScale(packed, layer, "j")};`,
                `if (abs(g) < ${SMALLEST_SCALE}) { g = ${SMALLEST_SCALE}; }`,
                `sum += rows[row + ${layer.cross}u + j] / g;`,
              );
            }
            storeModulation("sum");
          },
        };
        if (layer.beta === null) return [gamma];
        const beta = {
          end: numParams + layer.beta + layer.outputs,
          body: () =>
            storeModulation(`rows[row + ${layer.bias}u + at - ${numParams + layer.beta!}u]`),
        };
        return [gamma, beta];
      });
      const statsPart = pullback ? [] : [{
        end: outputs,
        body: () => {
          w.line(
            `let k = at - ${outputs - 2}u;`,
            `outStats[m * 2u + k] = rows[row + ${packed.gradStats}u + k];`,
          );
        },
      }];
      elementMain(w, `args.tasks * ${outputs}u`, () => {
        w.line(
          `let m = index / ${outputs}u;`,
          `let at = index % ${outputs}u;`,
          `let row = m * ${packed.gradSize}u;`,
        );
        w.branches("at", [...paramParts, ...filmParts, ...statsPart]);
      });
    },
  });
}
