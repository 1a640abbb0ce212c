/**
 * The drawable shapes of a MuJoCo model: its geoms and sites as MuJoCo's own viewer shows them,
 * groups 0 to 2, without what is fully transparent (so without most collision geoms).
 *
 * Left out: height fields, tendons, textures, skins.
 */
import type { MjModel } from "@mujoco/mujoco";
import type { Scene, Shape, ShapeKind, TriangleMesh } from "../scene.ts";
import { POSE_SIZE } from "../scene.ts";
import type { Simulation } from "./simulation.ts";

/** mjtGeom by number; what is not here is not drawn. */
const KINDS: Readonly<Record<number, ShapeKind>> = {
  0: "plane",
  2: "sphere",
  3: "capsule",
  4: "ellipsoid",
  5: "cylinder",
  6: "box",
  7: "mesh",
};
/** mjTRN_JOINT, mjTRN_JOINTINPARENT */
const JOINT_TRANSMISSIONS = [0, 1];
/** The last group that the viewer shows without being asked. */
const LAST_SHOWN_GROUP = 2;
/** MuJoCo's colour of geoms and sites whose model says nothing. */
const DEFAULT_RGBA = [0.5, 0.5, 0.5, 1];
/** Names of geoms, sites and bodies that show the task. */
const MARKER_NAME = /^(target|goal)/i;

/** Where a drawn shape gets its pose from: index of its geom or site. */
interface Source {
  readonly shape: Shape;
  readonly isSite: boolean;
  readonly index: number;
}

function quadruple(values: Float32Array, at: number): [number, number, number, number] {
  return [values[at], values[at + 1], values[at + 2], values[at + 3]];
}

function meshOf(handle: MjModel, id: number): TriangleMesh {
  const firstVertex = handle.mesh_vertadr[id];
  const firstFace = handle.mesh_faceadr[id];
  const vertices: Float32Array = handle.mesh_vert;
  const triangles: Int32Array = handle.mesh_face;
  return {
    vertices: vertices.slice(3 * firstVertex, 3 * (firstVertex + handle.mesh_vertnum[id])),
    triangles: Uint32Array.from(
      triangles.subarray(3 * firstFace, 3 * (firstFace + handle.mesh_facenum[id])),
    ),
  };
}

/** [b] joints between the world and each body */
function jointDepths(handle: MjModel): Int32Array {
  const depths = new Int32Array(handle.nbody);
  const parents: Int32Array = handle.body_parentid;
  const joints: Int32Array = handle.body_jntnum;
  // parents come before their children; the world is its own parent
  for (let b = 1; b < depths.length; b++) depths[b] = depths[parents[b]] + joints[b];
  return depths;
}

/** [b] motors that drive a joint of each body */
function motorsOfBodies(handle: MjModel): number[][] {
  const motors: number[][] = Array.from({ length: handle.nbody }, () => []);
  for (let u = 0; u < handle.nu; u++) {
    if (!JOINT_TRANSMISSIONS.includes(handle.actuator_trntype[u])) continue;
    motors[handle.jnt_bodyid[handle.actuator_trnid[2 * u]]].push(u);
  }
  return motors;
}

function sourcesOf({ model }: Simulation): Source[] {
  const { handle } = model;
  const depths = jointDepths(handle);
  const motors = motorsOfBodies(handle);
  const bodies = model.names("body");
  const materials: Float32Array = handle.mat_rgba;
  const sources: Source[] = [];
  const add = (
    isSite: boolean,
    names: readonly string[],
    arrays: {
      readonly type: Int32Array;
      readonly group: Int32Array;
      readonly body: Int32Array;
      readonly material: Int32Array;
      readonly size: Float64Array;
      readonly rgba: Float32Array;
    },
  ) =>
    names.forEach((name, index) => {
      const kind = KINDS[arrays.type[index]];
      if (kind === undefined || arrays.group[index] > LAST_SHOWN_GROUP) return;
      const own = quadruple(arrays.rgba, 4 * index);
      const material = arrays.material[index];
      // as the viewer does: the material counts where the shape has no colour of its own
      const isOpen = own.every((value, i) => value === DEFAULT_RGBA[i]);
      const rgba = !isOpen ? own : material >= 0 ? quadruple(materials, 4 * material) : null;
      if (rgba !== null && rgba[3] === 0) return;
      const body = arrays.body[index];
      const size = arrays.size.subarray(3 * index, 3 * index + 3);
      sources.push({
        isSite,
        index,
        shape: {
          name,
          kind,
          size: [size[0], size[1], size[2]],
          rgba,
          mesh: kind === "mesh" ? meshOf(handle, handle.geom_dataid[index]) : undefined,
          depth: depths[body],
          motors: motors[body],
          isMarker: MARKER_NAME.test(name) || MARKER_NAME.test(bodies[body]),
        },
      });
    });
  add(false, model.names("geom"), {
    type: handle.geom_type,
    group: handle.geom_group,
    body: handle.geom_bodyid,
    material: handle.geom_matid,
    size: handle.geom_size,
    rgba: handle.geom_rgba,
  });
  add(true, model.names("site"), {
    type: handle.site_type,
    group: handle.site_group,
    body: handle.site_bodyid,
    material: handle.site_matid,
    size: handle.site_size,
    rgba: handle.site_rgba,
  });
  return sources;
}

/**
 * The shapes of a simulation. Poses are those that the simulation has computed last: after a step
 * they belong to the state up to a physics step before.
 * @param dt time between two control steps, s
 */
export function sceneOf(sim: Simulation, dt: number): Scene {
  const sources = sourcesOf(sim);
  return {
    shapes: sources.map(({ shape }) => shape),
    dt,
    writePoses(out, at) {
      sim.refresh();
      let to = at;
      for (const { isSite, index } of sources) {
        const position = isSite ? sim.siteXpos : sim.geomXpos;
        const rotation = isSite ? sim.siteXmat : sim.geomXmat;
        for (let i = 0; i < 3; i++) out[to + i] = position[3 * index + i];
        for (let i = 0; i < 9; i++) out[to + 3 + i] = rotation[9 * index + i];
        to += POSE_SIZE;
      }
    },
  };
}
