/**
 * One simulation of a model: owner of one `MjData`, with views on its state.
 *
 * A view on WASM memory is cut off when that memory grows, which only allocating a model or a
 * simulation can cause; so the views are checked (one comparison) before an episode and before
 * every step, and never used across an `await`. Nothing is allocated while stepping.
 *
 * An unstable simulation (a number that is not finite or beyond 1e10) is put back to its initial
 * state by MuJoCo, silently; time then starts at 0, which {@link advance} sees, since episodes
 * begin at a later time. Full memory for contacts is an error: MuJoCo would go on without them.
 */
import type { MjData, MjModel, MjWarningStatVec } from "@mujoco/mujoco";
import { messageOf, RunError } from "../../util/errors.ts";
import type { Model } from "./model.ts";
import { liveHandles, type Mujoco } from "./runtime.ts";

/** Clock at the start of an episode, in s: above what any control step adds to 0. */
const START_TIME = 1000;

/** Sizes: q positions, v velocities, u controls, b bodies, g geoms, s sites. */
export class Simulation {
  /** [q] */
  qpos!: Float64Array;
  /** [v] */
  qvel!: Float64Array;
  /** [u] */
  ctrl!: Float64Array;
  /** [v] force of the actuators in joint space */
  qfrcActuator!: Float64Array;
  /** [b, 3] position of each body's frame, m */
  xpos!: Float64Array;
  /** [s, 3] position of each site, m */
  siteXpos!: Float64Array;
  /** [s, 9] rotation of each site */
  siteXmat!: Float64Array;
  /** [g, 3] position of each geom, m */
  geomXpos!: Float64Array;
  /** [g, 9] rotation of each geom */
  geomXmat!: Float64Array;
  /** [b, 3] position of each body's centre of mass, m */
  xipos!: Float64Array;
  /** [b, 10] inertia about the centre of mass of the tree, kg m^2, kg m, kg */
  cinert!: Float64Array;
  /** [b, 6] angular and linear velocity of each body, rad/s, m/s */
  cvel!: Float64Array;
  /** [b, 6] torque and force of contacts on each body, N m, N; see {@link computeContactForces} */
  cfrcExt!: Float64Array;

  /** Length of a physics step in s. */
  readonly timestep: number;
  readonly #mujoco: Mujoco;
  readonly #model: MjModel;
  #data: MjData | null;
  /** A reference into the data, not to be freed on its own (the WASM build aborts). */
  readonly #warnings: MjWarningStatVec;

  /**
   * @param ownsModel whether {@link close} closes the model too
   * @throws RunError `mujoco-memory` where the WASM memory (2 GiB) is full.
   */
  constructor(readonly model: Model, readonly ownsModel = false) {
    this.#mujoco = model.mujoco;
    this.#model = model.handle;
    try {
      this.#data = new this.#mujoco.MjData(this.#model);
    } catch (error) {
      throw new RunError(
        "mujoco-memory",
        `Cannot make another simulation of ${model.name} (${messageOf(error)}); ` +
          "this thread holds " + liveHandles.simulations,
      );
    }
    liveHandles.simulations++;
    this.#warnings = this.#data.warning;
    const options = this.#model.opt;
    this.timestep = options.timestep;
    options.delete();
    this.#takeViews();
    this.reset();
  }

  /** The model's initial state, at rest, without controls. @throws RunError `mujoco-memory`. */
  reset(): void {
    const data = this.#open();
    this.#refuseLostContacts(data);
    this.#mujoco.mj_resetData(this.#model, data);
    data.time = START_TIME;
    this.refresh();
  }

  /**
   * Computes what follows from positions and velocities, after they were set.
   * @throws RunError `mujoco` where MuJoCo gives up.
   */
  forward(): void {
    const data = this.#open();
    try {
      this.#mujoco.mj_forward(this.#model, data);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * Takes `count` physics steps with the controls as they are.
   * @returns whether the simulation stayed stable; where not, its state means nothing until
   * {@link reset}.
   * @throws RunError `mujoco` where MuJoCo gives up, e.g. for want of memory;
   * WebAssembly.RuntimeError where the thread's MuJoCo broke and must not be used again.
   */
  advance(count: number): boolean {
    const mujoco = this.#mujoco;
    const model = this.#model;
    const data = this.#open();
    try {
      for (let i = 0; i < count; i++) mujoco.mj_step(model, data);
    } catch (error) {
      throw this.#failure(error);
    }
    return data.time >= START_TIME;
  }

  /**
   * Computes positions of bodies and sites from the state as it is; stepping leaves those of an
   * earlier one (up to a physics step before). Costs little and changes no later step.
   */
  updatePositions(): void {
    this.#mujoco.mj_kinematics(this.#model, this.#open());
  }

  /** Computes {@link cfrcExt} of the last step, which stepping leaves out. */
  computeContactForces(): void {
    this.#mujoco.mj_rnePostConstraint(this.#model, this.#open());
  }

  /** Takes the views anew where memory has grown since. */
  refresh(): void {
    if (this.qpos.length === 0) this.#takeViews();
  }

  /** Bytes of memory for contacts and solver: what there is, and the most used since `reset`. */
  get arena(): { readonly size: number; readonly used: number } {
    const data = this.#open();
    return { size: data.narena, used: data.maxuse_arena };
  }

  /** Frees it; further calls do nothing. */
  close(): void {
    const data = this.#data;
    if (data === null) return;
    this.#data = null;
    data.delete();
    liveHandles.simulations--;
    if (this.ownsModel) this.model.close();
  }

  #open(): MjData {
    if (this.#data === null) {
      throw new TypeError(`Cannot use a simulation of ${this.model.name}: it is closed`);
    }
    return this.#data;
  }

  #failure(error: unknown): Error {
    if (error instanceof WebAssembly.RuntimeError) return error;
    const message = messageOf(error).replace(/^MuJoCo Error: /, "").trim().replaceAll(
      /\s*\n\s*/g,
      "; ",
    );
    return new RunError("mujoco", `Cannot step ${this.model.name}: ${message}`, { cause: error });
  }

  #takeViews(): void {
    const data = this.#open();
    this.qpos = data.qpos;
    this.qvel = data.qvel;
    this.ctrl = data.ctrl;
    this.qfrcActuator = data.qfrc_actuator;
    this.xpos = data.xpos;
    this.siteXpos = data.site_xpos;
    this.siteXmat = data.site_xmat;
    this.geomXpos = data.geom_xpos;
    this.geomXmat = data.geom_xmat;
    this.xipos = data.xipos;
    this.cinert = data.cinert;
    this.cvel = data.cvel;
    this.cfrcExt = data.cfrc_ext;
  }

  #refuseLostContacts(data: MjData): void {
    const { mjWARN_CONTACTFULL, mjWARN_CNSTRFULL } = this.#mujoco.mjtWarning;
    for (const kind of [mjWARN_CONTACTFULL, mjWARN_CNSTRFULL]) {
      const counter = this.#warnings.get(kind.value)!;
      const count = counter.number;
      counter.delete();
      if (count === 0) continue;
      throw new RunError(
        "mujoco-memory",
        `Cannot trust ${this.model.name}: contacts did not fit into its ${data.narena} bytes; ` +
          'give more by <size memory="..."/>',
      );
    }
  }
}
