/** How the task of a described environment is drawn: its parts one after the other. */
import { UserError } from "../../util/errors.ts";
import { cos, sin } from "../../util/math.ts";
import type { TaskSampler, ValueRow } from "../env.ts";
import { chooseMode } from "../tasks.ts";
import type { Description, TaskPart } from "./description.ts";
import { taskRowNames } from "./quantities.ts";

/** Task rows by part, modes of the part that has some, and how one task is drawn. */
export interface DescribedTask {
  readonly rows: ReadonlyMap<string, readonly ValueRow[]>;
  /** 0 where no part has modes. */
  readonly modes: number;
  readonly sample: TaskSampler;
}

/** One number for all, or one per number. */
function perNumber(
  spread: number | readonly number[],
  size: number,
  where: string,
): readonly number[] {
  if (typeof spread === "number") return new Array(size).fill(spread);
  if (spread.length === size) return spread;
  throw new UserError(
    "env-description",
    `${where} must be one number or a list of ${size}; got ${spread.length} numbers`,
  );
}

/** Ranges of a part's numbers, and how they are drawn into row[at ..]; gives the mode. */
interface PartPlan {
  readonly ranges: readonly (readonly [number, number])[];
  readonly modes: number;
  readonly draw: (...args: [...Parameters<TaskSampler>, at: number]) => number;
}

const NO_MODE = 0;

function planPart(part: TaskPart, where: string): PartPlan {
  switch (part.distribution) {
    case "box": {
      const { low, high } = part;
      const bad = low.findIndex((value, i) => !(value < high[i]));
      if (low.length !== high.length || bad >= 0) {
        throw new UserError(
          "env-description",
          `${where}: "low" and "high" must have as many numbers, each low below its high; got ` +
            `${JSON.stringify(low)} and ${JSON.stringify(high)}`,
        );
      }
      return {
        ranges: low.map((value, i) => [value, high[i]]),
        modes: 0,
        draw(random, _index, _asked, row, at) {
          for (let i = 0; i < low.length; i++) row[at + i] = random.uniformRange(low[i], high[i]);
          return NO_MODE;
        },
      };
    }
    case "disc": {
      const { radius, center = [0, 0] } = part;
      return {
        ranges: center.map((value) => [value - radius, value + radius]),
        modes: 0,
        draw(random, _index, _asked, row, at) {
          const angle = 2 * Math.PI * random.uniform();
          const distance = radius * Math.sqrt(random.uniform());
          row[at] = center[0] + distance * cos(angle);
          row[at + 1] = center[1] + distance * sin(angle);
          return NO_MODE;
        },
      };
    }
    case "normal": {
      const { mean } = part;
      const std = perNumber(part.std, mean.length, `${where}: "std"`);
      return {
        ranges: mean.map((value, i) => std[i] > 0 ? [-Infinity, Infinity] : [value, value]),
        modes: 0,
        draw(random, _index, _asked, row, at) {
          for (let i = 0; i < mean.length; i++) row[at + i] = mean[i] + std[i] * random.normal();
          return NO_MODE;
        },
      };
    }
    case "modes": {
      const { modes, order = "uniform" } = part;
      const size = modes[0].length;
      const other = modes.findIndex((mode) => mode.length !== size);
      if (other >= 0) {
        throw new UserError(
          "env-description",
          `${where}: all modes must have as many numbers; mode 0 has ${size}, mode ${other} ` +
            `${modes[other].length}`,
        );
      }
      const noise = perNumber(part.noise ?? 0, size, `${where}: "noise"`);
      return {
        ranges: noise.map((std, i) => {
          if (std > 0) return [-Infinity, Infinity];
          const values = modes.map((mode) => mode[i]);
          return [Math.min(...values), Math.max(...values)];
        }),
        modes: modes.length,
        draw(random, index, asked, row, at) {
          const mode = chooseMode(random, order, modes.length, index, asked);
          for (let i = 0; i < size; i++) row[at + i] = modes[mode][i] + noise[i] * random.normal();
          return mode;
        },
      };
    }
  }
}

/** The task distribution of a description. @throws UserError `env-description` */
export function describedTask(file: string, task: Description["task"]): DescribedTask {
  const rows = new Map<string, readonly ValueRow[]>();
  const plans: { readonly at: number; readonly plan: PartPlan }[] = [];
  let at = 0;
  let modes = 0;
  for (const [name, part] of Object.entries(task)) {
    const plan = planPart(part, `${file}: "task.${name}"`);
    if (plan.modes > 0 && modes > 0) {
      throw new UserError("env-description", `${file}: "task": only one part may have modes`);
    }
    modes = Math.max(modes, plan.modes);
    const names = taskRowNames(name, plan.ranges.length);
    rows.set(
      name,
      plan.ranges.map(([low, high], i) => ({
        name: names[i],
        meaning: part.meaning ?? `${name} of the task`,
        unit: part.unit ?? "1",
        low,
        high,
      })),
    );
    plans.push({ at, plan });
    at += plan.ranges.length;
  }
  if (at === 0) throw new UserError("env-description", `${file}: "task" must have a part`);
  return {
    rows,
    modes,
    sample(random, index, asked, row) {
      let mode = NO_MODE;
      for (const { at, plan } of plans) {
        const drawn = plan.draw(random, index, asked, row, at);
        if (plan.modes > 0) mode = drawn;
      }
      return mode;
    },
  };
}
