/**
 * Finds out whether the driver executes long loops in full. lavapipe before Mesa 23 ends all loops
 * of an invocation silently after 65,535 iterations; results would be wrong without any error.
 */
import { buildKernel, elementMain, type Kernel } from "./kernel.ts";

/** Iterations that the probe asks for: more than the faulty drivers execute. */
export const PROBE_ITERATIONS = 70_000;

/** Counts the iterations of one loop. */
export function loopProbeKernel(): Kernel {
  return buildKernel({
    name: "loop_probe",
    sizes: `${PROBE_ITERATIONS} iterations`,
    header: ["out[0] = number of iterations that a loop executed; overwrites out"],
    bindings: [{ name: "out", access: "read_write", element: "u32" }],
    scalars: [{ name: "iterations", type: "u32" }],
    body: (w) =>
      elementMain(w, "1u", () => {
        w.line("var executed = 0u;");
        w.block("for (var at = 0u; at < args.iterations; at++)", () => {
          // not just a count, which a compiler could take out of the loop
          w.line("executed = (executed ^ at) + 1u - (executed ^ at) + executed;");
        });
        w.line("out[0] = executed;");
      }),
  });
}

/**
 * Loop iterations that one invocation may execute.
 * @param counted what the probe kernel counted
 */
export function loopLimit(counted: number): number {
  // some room below the driver's own limit
  return counted >= PROBE_ITERATIONS ? Infinity : Math.floor(counted * 0.99);
}
