/** Kernels without a network in them, in float64. Contracts in `kernels.ts`. */
import type { Adam, BroadcastRow, Clear, Interpolate, SgdStep, SumRows } from "../kernels.ts";
import { values } from "./tensor.ts";

/** See {@link BroadcastRow}. */
export function broadcastRow(command: BroadcastRow): void {
  const row = values(command.row).data;
  const out = values(command.out).data;
  for (let at = 0; at < out.length; at += row.length) out.set(row, at);
}

/** See {@link SgdStep}. */
export function sgdStep(command: SgdStep): void {
  const params = values(command.params).data;
  const grad = values(command.grad).data;
  const out = values(command.out).data;
  for (let p = 0; p < out.length; p++) out[p] = params[p] - command.lr * grad[p];
}

/** See {@link SumRows}. */
export function sumRows(command: SumRows): void {
  const rows = values(command.rows).data;
  const out = values(command.out).data.fill(0);
  for (let at = 0; at < rows.length; at++) out[at % out.length] += command.scale * rows[at];
}

/** See {@link Clear}. */
export function clear(command: Clear): void {
  values(command.out).data.fill(0);
}

/** See {@link Interpolate}. */
export function interpolate(command: Interpolate): void {
  const from = values(command.from).data;
  const to = values(command.to).data;
  const out = values(command.out).data;
  for (let p = 0; p < out.length; p++) out[p] = from[p] + (to[p] - from[p]) * command.factor;
}

/** One Adam step on arrays; Kingma & Ba 2015, algorithm 1, with either place of epsilon. */
export function adamUpdate(
  settings: Pick<Adam, "lr" | "beta1" | "beta2" | "epsilon" | "step" | "flavour">,
  params: Float64Array,
  grad: Float64Array,
  m: Float64Array,
  v: Float64Array,
): void {
  const { lr, beta1, beta2, epsilon, step, flavour } = settings;
  const correction1 = 1 - beta1 ** step;
  const correction2 = Math.sqrt(1 - beta2 ** step);
  for (let p = 0; p < params.length; p++) {
    m[p] = beta1 * m[p] + (1 - beta1) * grad[p];
    v[p] = beta2 * v[p] + (1 - beta2) * grad[p] * grad[p];
    const root = Math.sqrt(v[p]);
    params[p] -= flavour === "tensorflow"
      ? lr * correction2 / correction1 * m[p] / (root + epsilon)
      : lr * (m[p] / correction1) / (root / correction2 + epsilon);
  }
}

/** See {@link Adam}. */
export function adam(command: Adam): void {
  const [params, grad, m, v] = [command.params, command.grad, command.m, command.v]
    .map((tensor) => values(tensor).data);
  adamUpdate(command, params, grad, m, v);
}
