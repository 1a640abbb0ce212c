/**
 * Golden check of the MuJoCo models: a model compiles to the stored facts, and stepping it under
 * the stored controls reproduces the stored states.
 *
 * Robots in which nothing can collide have to follow all of the trajectory; with contacts the
 * dynamics is chaotic, and the first 50 steps are judged.
 */
import { type ModelFacts, modelFacts } from "../envs/mujoco/facts.ts";
import type { Model } from "../envs/mujoco/model.ts";
import { compileModel, loadModel, MODEL_NAMES } from "../envs/mujoco/models/mod.ts";
import { Simulation } from "../envs/mujoco/simulation.ts";
import { UserError } from "../util/errors.ts";
import { sin } from "../util/math.ts";
import type { Comparison } from "./comparison.ts";
import { flatten, type Nested } from "./fixture.ts";

/** Largest difference of a position or velocity (m, rad, m/s, rad/s) that passes. */
const STATE_TOLERANCE = 1e-6;

/** Steps judged where there are contacts. */
const CONTACT_STEPS = 50;

/** `ctrl[k] = A*sin(B*t*(k+1)+k)`, whatever A and B are. */
const CONTROL = /^ctrl\[k\] = ([\d.eE+-]+)\*sin\(([\d.eE+-]+)\*t\*\(k\+1\)\+k\)/;

interface PhysicsFixture {
  readonly control: string;
  readonly facts: ModelFacts;
  readonly trajectory: readonly {
    readonly step: number;
    readonly qpos: readonly number[];
    readonly qvel: readonly number[];
  }[];
}

/** Checks one `physics_*.json`; which model it is for is told by the names of its joints. */
export async function checkPhysics(content: unknown, comparison: Comparison): Promise<void> {
  const fixture = content as PhysicsFixture;
  const control = readControl(fixture.control);
  const steps = canCollide(fixture.facts) ? CONTACT_STEPS : Infinity;
  const simulation = new Simulation(await modelOf(fixture.facts), true);
  try {
    compareFacts(modelFacts(simulation.model), fixture.facts, comparison);
    let t = 0;
    for (const { step, qpos, qvel } of fixture.trajectory) {
      if (step > steps) break;
      for (; t < step; t++) {
        for (let k = 0; k < fixture.facts.nu; k++) simulation.ctrl[k] = control(t, k);
        simulation.advance(1);
      }
      addDifferences(`qpos after ${step} steps`, simulation.qpos, qpos, comparison);
      addDifferences(`qvel after ${step} steps`, simulation.qvel, qvel, comparison);
    }
  } finally {
    simulation.close();
  }
}

/** A model of its own: those that environments share have the marker of their goal elsewhere. */
async function modelOf(facts: ModelFacts): Promise<Model> {
  const wanted = facts.joint.name.join();
  for (const name of MODEL_NAMES) {
    const model = await loadModel(name);
    // Of two models with the same joints, one has a marker more.
    const same = model.names("joint").join() === wanted &&
      model.names("geom").length === facts.geom.name.length;
    if (same) return await compileModel(name);
  }
  throw new UserError(
    "golden-robot",
    `Cannot check a robot with joints ${wanted}; there are ${MODEL_NAMES.join(", ")}`,
  );
}

function readControl(text: string): (t: number, k: number) => number {
  const match = CONTROL.exec(text);
  if (match === null) {
    throw new UserError(
      "golden-control",
      `Cannot replay the controls "${text}"; wanted "ctrl[k] = A*sin(B*t*(k+1)+k)"`,
    );
  }
  const [amplitude, frequency] = [Number(match[1]), Number(match[2])];
  return (t, k) => amplitude * sin(frequency * t * (k + 1) + k);
}

/** Whether any two geoms of different bodies can touch. */
function canCollide({ geom }: ModelFacts): boolean {
  return geom.contype.some((contype, a) =>
    geom.conaffinity.some((conaffinity, b) =>
      geom.body[a] !== geom.body[b] && (contype & conaffinity) !== 0
    )
  );
}

/** Compares all facts that are stored: names exactly, numbers within the fixture's tolerance. */
function compareFacts(actual: ModelFacts, expected: ModelFacts, comparison: Comparison): void {
  const compare = (path: string, found: unknown, wanted: unknown) => {
    if (isNumbers(wanted) && isNumbers(found)) {
      comparison.add(path, flatten(found), wanted);
    } else if (isNamed(wanted) && isNamed(found)) {
      for (const [key, value] of Object.entries(wanted)) {
        compare(path === "" ? key : `${path}.${key}`, found[key], value);
      }
    } else if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      throw new Error(`${path} is ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
    }
  };
  compare("", actual, expected);
}

function isNumbers(value: unknown): value is Nested {
  return typeof value === "number" || (Array.isArray(value) && value.every(isNumbers));
}

function isNamed(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Compares absolute differences: with zeros as the stored numbers no scale is divided by. */
function addDifferences(
  name: string,
  actual: Float64Array,
  expected: readonly number[],
  comparison: Comparison,
): void {
  if (actual.length !== expected.length) {
    throw new RangeError(`${name}: ${actual.length} numbers computed, ${expected.length} stored`);
  }
  const differences = expected.map((value, i) => actual[i] - value);
  comparison.add(name, differences, expected.map(() => 0), STATE_TOLERANCE);
}
