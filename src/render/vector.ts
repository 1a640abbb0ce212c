/** Vectors of three numbers, for what is computed once a picture and not once a pixel. */

/** x, y, z */
export type Vector = readonly [number, number, number];

/** a + s b */
export function plus(a: Vector, b: Vector, s = 1): Vector {
  return [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
}

/** Scalar product. */
export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/** Vector product. */
export function cross(a: Vector, b: Vector): Vector {
  return [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ];
}

/** Of length 1. */
export function normalized(a: Vector): Vector {
  const length = Math.hypot(...a);
  return [a[0] / length, a[1] / length, a[2] / length];
}

/** Of length 1, at an azimuth about z from x and an elevation above the plane, in degrees. */
export function direction(azimuth: number, elevation: number): Vector {
  const [a, e] = [azimuth, elevation].map((angle) => angle * Math.PI / 180);
  return [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
}
