/**
 * A trainer that computes nothing: it runs through its iterations, logs rows and writes checkpoints
 * where the real one does, so that tests see what the command line makes of it.
 */
import { resultConfig } from "../../src/config/parse.ts";
import { progressColumns } from "../../src/run/log.ts";
import type { TrainMeta, TrainRequest } from "../../src/trainer/types.ts";

/** How the fake is to behave. */
export interface FakeBehaviour {
  /** Called before each iteration; may wait or throw. */
  readonly beforeIteration?: (iteration: number) => Promise<void> | void;
  /** Gets every request. */
  readonly requests?: TrainRequest[];
}

/** A trainer for `train()`. */
export function fakeTrainer(behaviour: FakeBehaviour = {}): TrainMeta {
  return async (request, observer) => {
    const { algorithm, config, writer, resume, stop } = request;
    behaviour.requests?.push(request);
    observer.onNotice("fake device");
    const columns = progressColumns(config.innerSteps);
    let iteration = resume?.iteration ?? 0;
    let checkpoint: string | null = null;
    let returns: number[] | null = null;
    await behaviour.beforeIteration?.(-1);
    writer.startProgress(columns, iteration);
    while (iteration < config.iterations && !stop.aborted) {
      observer.onPhase?.("sampling");
      await behaviour.beforeIteration?.(iteration);
      const row = Object.fromEntries(
        columns.map((name) => [name, name === "Itr" ? iteration : 0.5]),
      );
      writer.appendRow(row);
      returns = Array.from({ length: config.innerSteps + 1 }, (_, k) => -1345.25 + iteration + k);
      observer.onIteration({ iteration, returns, environmentSteps: 24_000, seconds: 0.5, row });
      iteration++;
    }
    const tensors = [{ name: "policy/b0", shape: [1], data: Float32Array.of(iteration) }];
    const state = { algorithm, iteration, counters: {}, config: resultConfig(config), tensors };
    if (iteration > 0) checkpoint = await writer.saveCheckpoint(state, config);
    return {
      status: iteration < config.iterations ? "stopped" : "finished",
      iteration,
      environmentSteps: 24_000 * iteration,
      seconds: 0.5 * iteration,
      returns,
      checkpoint,
      device: "fake",
    };
  };
}
