/**
 * What of an environment can be drawn: shapes that don't change, and where they are now. Plain
 * data, so that whoever draws needs to know nothing of the physics.
 *
 * Axis letters: G shapes, V vertices, T triangles.
 */

/** Forms that MuJoCo knows; what their sizes mean is MuJoCo's convention as well. */
export type ShapeKind =
  | "plane"
  | "sphere"
  | "capsule"
  | "ellipsoid"
  | "cylinder"
  | "box"
  | "mesh";

/** A surface made of triangles. */
export interface TriangleMesh {
  /** [V, 3] m, in the shape's own frame */
  readonly vertices: Float32Array;
  /** [T, 3] corners, counterclockwise from outside */
  readonly triangles: Uint32Array;
}

/** One shape. */
export interface Shape {
  /** Name in the model, "" where it has none. */
  readonly name: string;
  /** Its form. */
  readonly kind: ShapeKind;
  /**
   * m: sphere radius; capsule and cylinder (along z) radius, half the length; ellipsoid and box
   * half-axes; plane (normal z) half-widths, 0: endless.
   */
  readonly size: readonly [number, number, number];
  /** Red, green, blue, opacity, 0 to 1 as on a screen; `null` where the model leaves it open. */
  readonly rgba: readonly [number, number, number, number] | null;
  /** Its surface, where `kind` is `mesh`. */
  readonly mesh?: TriangleMesh;
  /** Joints between the world and the shape: 0 for what never moves. */
  readonly depth: number;
  /** Indices in the action of the motors that drive the joints of its body. */
  readonly motors: readonly number[];
  /** Whether it shows the task (a goal) and is no part of the robot. */
  readonly isMarker: boolean;
}

/** The drawable side of an environment; valid as long as the environment. */
export interface Scene {
  /** [G] */
  readonly shapes: readonly Shape[];
  /** Time between two control steps, s. */
  readonly dt: number;
  /**
   * Where the shapes are now: for each its position (m), then its rotation matrix, row by row.
   * @param out [.., G, 12]
   * @param at where in `out` the G poses begin
   */
  writePoses(out: Float32Array, at: number): void;
}

/** Numbers of a pose: position, rotation matrix. */
export const POSE_SIZE = 12;
