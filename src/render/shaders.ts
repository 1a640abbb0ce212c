/**
 * The WGSL of the WebGPU renderer: the steps of `lighting.ts`, line by line those of
 * `cpu_renderer.ts`.
 */
import { FADE, LIGHT, SHADOW_BIAS, SHADOW_DEPTHS, SHADOW_OFFSET, ZENITH_SINE } from "./lighting.ts";

/** Distance of the near plane, m; depth in the depth buffer is this over the distance. */
export const NEAR = 1e-3;

/** Threads of a workgroup along each side. */
export const GROUP = 8;

function vec(values: readonly number[]): string {
  return `vec3f(${values.map((value) => value.toPrecision(9)).join(", ")})`;
}

/**
 * Vertex and fragment shaders of both maps and the compute shader that shades.
 * @param samples n: along each side of a pixel
 * @param mapSize S: texels along each side of the shadow map, 0: no shadows
 */
export function shaderSource(samples: number, mapSize: number): string {
  return `
struct Frame {
  eye: vec3f, focal: f32,
  right: vec3f, range: f32,
  up: vec3f, floor_height: f32,
  forward: vec3f, tile: f32,
  focus: vec3f, sun0: f32,
  sun: vec3f, u0: f32,
  sun_u: vec3f, v0: f32,
  sun_v: vec3f, aspect: f32,
  size: vec2u,
}

// position, rotation row by row, linear colour, nothing
struct Solid { pose: array<f32, 12>, color: vec4f }

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> solids: array<Solid>;

fn in_world(s: u32, p: vec3f) -> vec3f {
  return vec3f(solids[s].pose[0], solids[s].pose[1], solids[s].pose[2]) + turned(s, p);
}

fn turned(s: u32, p: vec3f) -> vec3f {
  return vec3f(
    dot(vec3f(solids[s].pose[3], solids[s].pose[4], solids[s].pose[5]), p),
    dot(vec3f(solids[s].pose[6], solids[s].pose[7], solids[s].pose[8]), p),
    dot(vec3f(solids[s].pose[9], solids[s].pose[10], solids[s].pose[11]), p),
  );
}

@vertex
fn shadow_vertex(
  @location(0) position: vec3f, @location(1) normal: vec3f, @builtin(instance_index) s: u32,
) -> @builtin(position) vec4f {
  let p = in_world(s, position);
  let u = (dot(frame.sun_u, p) - frame.u0) / frame.range;
  let v = (dot(frame.sun_v, p) - frame.v0) / frame.range;
  let depth = (dot(frame.sun, p) - frame.sun0) / (${SHADOW_DEPTHS.toFixed(1)} * frame.range) + 0.5;
  // rows of the map grow with v
  return vec4f(u, -v, depth, 1);
}

struct Seen {
  @builtin(position) position: vec4f,
  @location(0) normal: vec3f,
  @location(1) @interpolate(flat) label: u32,
}

@vertex
fn solid_vertex(
  @location(0) position: vec3f, @location(1) normal: vec3f, @builtin(instance_index) s: u32,
) -> Seen {
  let p = in_world(s, position) - frame.eye;
  let z = dot(frame.forward, p);
  var out: Seen;
  out.position = vec4f(
    dot(frame.right, p) * frame.focal / frame.aspect, dot(frame.up, p) * frame.focal, ${NEAR}, z,
  );
  out.normal = turned(s, normal);
  out.label = s + 1;
  return out;
}

@fragment
fn solid_fragment(seen: Seen) -> @location(0) vec4f {
  return vec4f(seen.normal, f32(seen.label));
}

// [nH, nW] normal and label; depth; [S, S] depth towards the sun
@group(1) @binding(0) var surfaces: texture_2d<f32>;
@group(1) @binding(1) var depths: texture_depth_2d;
@group(1) @binding(2) var shadow_map: texture_depth_2d;
// [H, W] red, green, blue, 255 from the lowest byte on
@group(1) @binding(3) var<storage, read_write> picture: array<u32>;

const N = ${samples};
const MAP = ${mapSize};

fn shade_of(at: vec2i, depth: f32) -> f32 {
  return select(0.0, 1.0, textureLoad(shadow_map, at, 0) > depth);
}

fn sunlight(p: vec3f, bias: f32) -> f32 {
  if (MAP == 0) { return 1; }
  let scale = f32(MAP) / (2 * frame.range);
  let column = (dot(frame.sun_u, p) - frame.u0) * scale + f32(MAP) / 2 - 2;
  let row = (dot(frame.sun_v, p) - frame.v0) * scale + f32(MAP) / 2 - 2;
  let i0 = floor(column);
  let j0 = floor(row);
  if (i0 < 0 || j0 < 0 || i0 + 3 >= f32(MAP) || j0 + 3 >= f32(MAP)) { return 1; }
  let depth = (dot(frame.sun, p) - frame.sun0) / (${
    SHADOW_DEPTHS.toFixed(1)
  } * frame.range) + 0.5 + bias;
  let fx = column - i0;
  let fy = row - j0;
  var shade = 0.0;
  for (var j = 0; j < 4; j++) {
    let at = vec2i(i32(i0), i32(j0) + j);
    let sum = (1 - fx) * shade_of(at, depth) + shade_of(at + vec2i(1, 0), depth) +
      shade_of(at + vec2i(2, 0), depth) + fx * shade_of(at + vec2i(3, 0), depth);
    shade += sum * select(select(1.0, fy, j == 3), 1 - fy, j == 0);
  }
  return 1 - shade / 9;
}

fn solid_light(color: vec3f, ray: vec3f, depth: f32, direction: vec3f) -> vec3f {
  let normal = normalize(direction);
  var facing = dot(normal, frame.sun);
  var highlight = 0.0;
  if (facing > 0) {
    let offset = ${(2 * SHADOW_OFFSET).toFixed(3)} * frame.range / f32(max(MAP, 1));
    let lit = sunlight(frame.eye + depth * ray + offset * normal, 0);
    facing *= lit;
    let cosine = max(dot(normal, normalize(frame.sun - normalize(ray))), 0.0);
    let power2 = cosine * cosine;
    let power4 = power2 * power2;
    let power16 = power4 * power4 * power4 * power4;
    highlight = ${LIGHT.highlight} * lit * power16 * power16;
  } else {
    facing = 0;
  }
  let ambient = mix(${vec(LIGHT.ground)}, ${vec(LIGHT.sky)}, 0.5 + 0.5 * normal.z);
  return color * (ambient + facing * ${vec(LIGHT.sun)}) + highlight;
}

fn wave(x: f32, width: f32) -> f32 {
  let w = max(width, 1e-4);
  return 2 * (abs(fract((x - 0.5 * w) * 0.5) - 0.5) - abs(fract((x + 0.5 * w) * 0.5) - 0.5)) / w;
}

fn ground_light(across: f32, along: f32, pixel: f32) -> vec3f {
  let ray = frame.forward + across * frame.right + along * frame.up;
  let depth = (frame.floor_height - frame.eye.z) / ray.z;
  let horizon = ${vec(LIGHT.horizon)};
  if (!(depth > 0 && depth < 1e6)) {
    let sine = max(normalize(ray).z, 0.0);
    return mix(horizon, ${vec(LIGHT.zenith)}, min(sine / ${ZENITH_SINE}, 1.0));
  }
  let p = frame.eye.xy + depth * ray.xy;
  let distance = length(p - frame.focus.xy) / frame.range;
  let fade = smoothstep(${FADE.from}, ${FADE.to.toFixed(1)}, distance);
  if (fade >= 1) { return horizon; }
  let stretch = pixel * depth / frame.tile;
  let lean = frame.up.z / ray.z;
  let w = stretch * (abs(frame.right.xy) + abs(frame.up.xy - ray.xy * lean));
  let bright = 0.5 - 0.5 * wave(p.x / frame.tile, w.x) * wave(p.y / frame.tile, w.y);
  let color = mix(${vec(LIGHT.tileDark)}, ${vec(LIGHT.tileLight)}, bright);
  let lit = sunlight(vec3f(p, frame.floor_height), ${SHADOW_BIAS});
  let light = ${vec(LIGHT.sky)} + lit * frame.sun.z * ${vec(LIGHT.sun)};
  return mix(color * light * ${vec(LIGHT.floorScale)}, horizon, fade);
}

fn tone(light: f32) -> u32 {
  let cut = clamp(light, 0.0, 1.0);
  let value = select(1.055 * pow(cut, 1 / 2.4) - 0.055, 12.92 * cut, cut <= 0.0031308);
  return u32(255 * value + 0.5);
}

@compute @workgroup_size(${GROUP}, ${GROUP})
fn shade(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= frame.size.x || id.y >= frame.size.y) { return; }
  let pixel = 2 / (f32(frame.size.y) * frame.focal);
  let middle = 0.5 * vec2f(frame.size);
  let corner = vec2i(id.xy) * N;
  var is_empty = true;
  for (var sy = 0; sy < N; sy++) {
    for (var sx = 0; sx < N; sx++) {
      if (textureLoad(surfaces, corner + vec2i(sx, sy), 0).w != 0) { is_empty = false; }
    }
  }
  var light = vec3f(0);
  if (is_empty) {
    let at = vec2f(id.xy) + 0.5 - middle;
    light = ground_light(at.x * pixel, -at.y * pixel, pixel);
  } else {
    for (var sy = 0; sy < N; sy++) {
      for (var sx = 0; sx < N; sx++) {
        let texel = corner + vec2i(sx, sy);
        let at = (vec2f(id.xy) + (vec2f(f32(sx), f32(sy)) + 0.5) / f32(N) - middle) * pixel;
        let surface = textureLoad(surfaces, texel, 0);
        let ray = frame.forward + at.x * frame.right - at.y * frame.up;
        let depth = ${NEAR} / textureLoad(depths, texel, 0);
        let floor_at = frame.floor_height - frame.eye.z;
        let is_below = floor_at < 0 && ray.z < 0 && floor_at > depth * ray.z;
        if (surface.w == 0 || is_below) {
          light += ground_light(at.x, -at.y, pixel / f32(N));
        } else {
          let color = solids[u32(surface.w) - 1].color.rgb;
          light += solid_light(color, ray, depth, surface.xyz);
        }
      }
    }
    light /= f32(N * N);
  }
  picture[id.y * frame.size.x + id.x] =
    tone(light.r) | (tone(light.g) << 8) | (tone(light.b) << 16) | 0xff000000u;
}
`;
}
