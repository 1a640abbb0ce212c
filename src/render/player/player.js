/**
 * The player of a page written by `metarl render --out x.html`: the recorded takes as a scene that
 * can be turned with the mouse. Runs in the browser; bundled with three.js by
 * tools/build_player.ts.
 *
 * The page holds `#data` (JSON: what html.ts writes) and `#blob` (base64 of raw deflate: numbers
 * that the JSON points into). Axis letters: F frames, S solids.
 */
import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DataTexture,
  DirectionalLight,
  Fog,
  HemisphereLight,
  LinearFilter,
  LinearMipmapLinearFilter,
  Matrix4,
  Mesh,
  MeshStandardMaterial,
  PCFShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  RepeatWrapping,
  Scene,
  SRGBColorSpace,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { returnText } from "../caption.ts";

const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);

async function unpacked() {
  const packed = Uint8Array.from(atob(element("blob").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return await new Response(stream).arrayBuffer();
}

const buffer = await unpacked();
const floats = ({ at, length }) => new Float32Array(buffer, at, length);
const integers = ({ at, length }) => new Uint32Array(buffer, at, length);

const takes = data.takes.map((take) => ({
  ...take,
  poses: floats(take.poses),
  places: floats(take.places),
  returns: floats(take.returns),
}));

const scene = new Scene();
const { reach, floor } = data;
const renderer = new WebGLRenderer({ antialias: true, canvas: element("view") });
renderer.shadowMap.enabled = data.shadows;
renderer.shadowMap.type = PCFShadowMap;

const solids = data.solids.map(({ positions, normals, triangles, color }) => {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(floats(positions), 3));
  geometry.setAttribute("normal", new BufferAttribute(floats(normals), 3));
  geometry.setIndex(new BufferAttribute(integers(triangles), 1));
  const material = new MeshStandardMaterial({ roughness: 0.55, metalness: 0.05 });
  material.color.setRGB(...color);
  const mesh = new Mesh(geometry, material);
  mesh.castShadow = mesh.receiveShadow = true;
  mesh.matrixAutoUpdate = false;
  // bounds follow the matrix, which is written by hand
  mesh.frustumCulled = false;
  scene.add(mesh);
  return mesh;
});

const tiles = new DataTexture(new Uint8Array(16), 2, 2);
tiles.wrapS = tiles.wrapT = RepeatWrapping;
tiles.magFilter = LinearFilter;
tiles.minFilter = LinearMipmapLinearFilter;
tiles.generateMipmaps = true;
tiles.colorSpace = SRGBColorSpace;
tiles.anisotropy = renderer.capabilities.getMaxAnisotropy();

/** The side of a tile's picture, texels: large, so that its edges are sharp. */
const TILE = 64;
function paintTiles(light, dark) {
  const side = 2 * TILE;
  const pixels = new Uint8Array(4 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const color = (x < TILE) === (y < TILE) ? light : dark;
      const hex = Number.parseInt(color.slice(1), 16);
      pixels.set([hex >> 16, (hex >> 8) & 255, hex & 255, 255], 4 * (y * side + x));
    }
  }
  tiles.image = { data: pixels, width: side, height: side };
  tiles.needsUpdate = true;
}

const EXTENT = 400;
// an even number of tiles, so that they lie as in the other pictures
const side = 2 * floor.tile * Math.ceil(EXTENT * reach / (2 * floor.tile));
tiles.repeat.set(side / (2 * floor.tile), side / (2 * floor.tile));
const ground = new Mesh(
  new PlaneGeometry(side, side),
  new MeshStandardMaterial({ map: tiles, roughness: 1 }),
);
ground.position.z = floor.height;
ground.receiveShadow = true;
scene.add(ground);

const sky = new HemisphereLight(0xffffff, 0x888888, 1.5);
sky.position.set(0, 0, 1);
const sun = new DirectionalLight(0xfff4e4, 2.2);
sun.castShadow = true;
sun.shadow.mapSize.set(2048, 2048);
sun.shadow.normalBias = 0.01 * data.range;
Object.assign(sun.shadow.camera, {
  left: -data.range,
  right: data.range,
  top: data.range,
  bottom: -data.range,
  near: 0,
  far: 8 * data.range,
});
scene.add(sky, sun, sun.target);

const camera = new PerspectiveCamera(data.angle, 1, 0.01 * reach, EXTENT * reach);
camera.up.set(0, 0, 1);
const controls = new OrbitControls(camera, renderer.domElement);
controls.enableDamping = true;
controls.maxPolarAngle = 0.495 * Math.PI;
controls.minDistance = 0.5 * reach;
controls.maxDistance = 60 * reach;

const scheme = matchMedia("(prefers-color-scheme: dark)");
function applyScheme() {
  const theme = scheme.matches ? data.dark : data.light;
  paintTiles(theme.tileLight, theme.tileDark);
  scene.background = new Color(theme.horizon);
  scene.fog = new Fog(theme.horizon, 5 * data.range, 25 * data.range);
}
applyScheme();
scheme.addEventListener("change", applyScheme);

let take = takes.length - 1;
let time = 0;
let isPlaying = !matchMedia("(prefers-reduced-motion: reduce)").matches;
let last = null;
const focus = new Vector3();
const moved = new Vector3();

const frameAt = () => Math.min(Math.round(time / data.dt), takes[take].frames - 1);
const longest = Math.max(...takes.map(({ frames }) => frames));
const duration = (longest - 1) * data.dt;

function focusOf(frame) {
  if (!data.follows) return moved.fromArray(data.focus);
  return moved.fromArray(takes[take].places, 3 * frame);
}

function placeCamera() {
  focus.copy(focusOf(frameAt()));
  controls.target.copy(focus);
  camera.position.fromArray(data.back).multiplyScalar(data.distance).add(focus);
}

const matrix = new Matrix4();
function show() {
  const frame = frameAt();
  const { poses, returns, name } = takes[take];
  solids.forEach((mesh, s) => {
    const p = poses.subarray(12 * (frame * solids.length + s));
    matrix.set(
      p[3],
      p[4],
      p[5],
      p[0],
      p[6],
      p[7],
      p[8],
      p[1],
      p[9],
      p[10],
      p[11],
      p[2],
      0,
      0,
      0,
      1,
    );
    mesh.matrix.copy(matrix);
    mesh.matrixWorldNeedsUpdate = true;
  });
  // the camera goes along, from wherever it was turned to
  const step = focusOf(frame).clone().sub(focus);
  focus.add(step);
  controls.target.add(step);
  camera.position.add(step);
  sun.target.position.copy(focus);
  sun.position.fromArray(data.sun).multiplyScalar(4 * data.range).add(focus);
  element("time").value = time;
  element("clock").textContent = data.countsSteps ? `step ${frame}` : `${time.toFixed(2)} s`;
  element("earned").textContent = `${name}: return ${returnText(returns[frame])}`;
  element("play").textContent = isPlaying ? "Pause" : "Play";
  // what tests and scripts read
  document.body.dataset.frame = String(frame);
  document.body.dataset.take = name;
}

function resize() {
  const { clientWidth: width, clientHeight: height } = element("stage");
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  renderer.setSize(width, height, false);
  camera.aspect = width / height;
  // what was framed for a landscape picture has to fit into a narrow window as well
  const narrow = Math.max(1, 4 / 3 / camera.aspect);
  camera.fov = 2 * Math.atan(narrow * Math.tan(data.angle * Math.PI / 360)) * 180 / Math.PI;
  camera.updateProjectionMatrix();
}
new ResizeObserver(resize).observe(element("stage"));
resize();

element("time").max = duration;
element("time").addEventListener("input", (event) => {
  isPlaying = false;
  time = Number(event.target.value);
});
element("play").addEventListener("click", () => {
  isPlaying = !isPlaying;
  if (isPlaying && time >= duration) time = 0;
});
element("reset").addEventListener("click", placeCamera);
element("speed").addEventListener("change", (event) => {
  data.speed = Number(event.target.value);
});
takes.forEach(({ name }, t) => {
  const button = document.createElement("button");
  button.textContent = name;
  button.setAttribute("aria-pressed", String(t === take));
  button.addEventListener("click", () => {
    take = t;
    for (const other of element("takes").children) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
  element("takes").append(button);
});
element("takes").hidden = takes.length < 2;

/** How long the last picture stays before the film begins again, s. */
const REST = 1;
placeCamera();
renderer.setAnimationLoop((now) => {
  if (last !== null && isPlaying) {
    time += data.speed * Math.min((now - last) / 1000, 0.1);
    if (time > duration + data.speed * REST) time = 0;
  }
  last = now;
  const shown = time;
  time = Math.min(time, duration);
  show();
  time = shown;
  controls.update();
  renderer.render(scene, camera);
});
