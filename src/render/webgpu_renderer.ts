/**
 * Draws by a WebGPU render pass: a shadow map and the visible surfaces by rasterising triangles, a
 * compute pass that shades them. The same pictures as `cpu_renderer.ts` draws, but for rounding.
 */
import { openDevice } from "../compute/webgpu/adapter.ts";
import { POSE_SIZE } from "../envs/scene.ts";
import type { View } from "./camera.ts";
import { shadowMapSize, sunFrame } from "./lighting.ts";
import { DEFAULT_SAMPLES, type Renderer, type RenderOptions } from "./renderer.ts";
import { GROUP, shaderSource } from "./shaders.ts";
import type { Stage } from "./stage.ts";

/** Numbers of a vertex: position, normal. */
const VERTEX_SIZE = 6;
/** Numbers of a solid on the device: its pose and its colour. */
const SOLID_SIZE = POSE_SIZE + 4;
/** Numbers of a frame's uniforms: eight vectors with a number each, the size. */
const FRAME_SIZE = 36;

/** Where a solid's triangles lie in the common buffers. */
interface Range {
  readonly firstIndex: number;
  readonly indices: number;
  readonly firstVertex: number;
}

/** Draws on a device of its own. */
export class WebGpuRenderer implements Renderer {
  readonly description: string;
  readonly #device: GPUDevice;
  readonly #stage: Stage;
  readonly #options: RenderOptions;
  readonly #mapSize: number;
  readonly #ranges: readonly Range[];
  readonly #vertices: GPUBuffer;
  readonly #indices: GPUBuffer;
  readonly #frame: GPUBuffer;
  readonly #solids: GPUBuffer;
  readonly #picture: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #textures: readonly GPUTexture[];
  readonly #shadowPipeline: GPURenderPipeline;
  readonly #solidPipeline: GPURenderPipeline;
  readonly #shadePipeline: GPUComputePipeline;
  /** Frame and solids, for vertices and for shading; what shading reads and writes. */
  readonly #groups: { vertex: GPUBindGroup; scene: GPUBindGroup; maps: GPUBindGroup };
  /** [S, 16] what the device gets of the solids */
  readonly #solidData: Float32Array<ArrayBuffer>;
  readonly #frameData = new Float32Array(FRAME_SIZE);

  private constructor(
    device: GPUDevice,
    description: string,
    stage: Stage,
    options: RenderOptions,
  ) {
    this.#device = device;
    this.description = description;
    this.#stage = stage;
    this.#options = options;
    const { width, height, shadows = true, samples = DEFAULT_SAMPLES } = options;
    this.#mapSize = shadows ? shadowMapSize(Math.max(width, height)) : 0;
    const { vertices, indices, ranges } = joined(stage);
    this.#ranges = ranges;
    this.#solidData = new Float32Array(stage.solids.length * SOLID_SIZE);
    stage.solids.forEach(({ color }, s) => {
      this.#solidData.set(color, s * SOLID_SIZE + POSE_SIZE);
    });

    const { VERTEX, INDEX, UNIFORM, STORAGE, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
    const buffer = (size: number, usage: number) => device.createBuffer({ size, usage });
    this.#vertices = buffer(vertices.byteLength, VERTEX | COPY_DST);
    this.#indices = buffer(indices.byteLength, INDEX | COPY_DST);
    this.#frame = buffer(4 * FRAME_SIZE, UNIFORM | COPY_DST);
    this.#solids = buffer(this.#solidData.byteLength, STORAGE | COPY_DST);
    this.#picture = buffer(4 * width * height, STORAGE | COPY_SRC);
    this.#staging = buffer(4 * width * height, MAP_READ | COPY_DST);
    device.queue.writeBuffer(this.#vertices, 0, vertices);
    device.queue.writeBuffer(this.#indices, 0, indices);

    const { RENDER_ATTACHMENT, TEXTURE_BINDING } = GPUTextureUsage;
    const texture = (format: GPUTextureFormat, w: number, h: number) =>
      device.createTexture({ format, size: [w, h], usage: RENDER_ATTACHMENT | TEXTURE_BINDING });
    const seen = [samples * width, samples * height] as const;
    // without shadows there still has to be something to bind
    const map = Math.max(this.#mapSize, 1);
    this.#textures = [
      texture("rgba32float", ...seen),
      texture("depth32float", ...seen),
      texture("depth32float", map, map),
    ];

    const module = device.createShaderModule({ code: shaderSource(samples, this.#mapSize) });
    const { VERTEX: AT_VERTEX, COMPUTE } = GPUShaderStage;
    const scene = (visibility: number) =>
      device.createBindGroupLayout({
        entries: [
          { binding: 0, visibility, buffer: { type: "uniform" } },
          { binding: 1, visibility, buffer: { type: "read-only-storage" } },
        ],
      });
    const maps = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility: COMPUTE, texture: { sampleType: "unfilterable-float" } },
        { binding: 1, visibility: COMPUTE, texture: { sampleType: "depth" } },
        { binding: 2, visibility: COMPUTE, texture: { sampleType: "depth" } },
        { binding: 3, visibility: COMPUTE, buffer: { type: "storage" } },
      ],
    });
    const vertexLayout = scene(AT_VERTEX);
    const shadeLayout = scene(COMPUTE);
    const vertexState = (entryPoint: string): GPUVertexState => ({
      module,
      entryPoint,
      buffers: [{
        arrayStride: 4 * VERTEX_SIZE,
        attributes: [
          { shaderLocation: 0, offset: 0, format: "float32x3" },
          { shaderLocation: 1, offset: 12, format: "float32x3" },
        ],
      }],
    });
    const depthStencil: GPUDepthStencilState = {
      format: "depth32float",
      depthWriteEnabled: true,
      depthCompare: "greater",
    };
    const layout = device.createPipelineLayout({ bindGroupLayouts: [vertexLayout] });
    this.#shadowPipeline = device.createRenderPipeline({
      layout,
      vertex: vertexState("shadow_vertex"),
      // the map is upside down, so what looks towards the sun is clockwise
      primitive: { topology: "triangle-list", cullMode: "back", frontFace: "cw" },
      depthStencil,
    });
    this.#solidPipeline = device.createRenderPipeline({
      layout,
      vertex: vertexState("solid_vertex"),
      fragment: { module, entryPoint: "solid_fragment", targets: [{ format: "rgba32float" }] },
      primitive: { topology: "triangle-list", cullMode: "back", frontFace: "ccw" },
      depthStencil,
    });
    this.#shadePipeline = device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [shadeLayout, maps] }),
      compute: { module, entryPoint: "shade" },
    });
    const sceneGroup = (layout: GPUBindGroupLayout) =>
      device.createBindGroup({
        layout,
        entries: [
          { binding: 0, resource: { buffer: this.#frame } },
          { binding: 1, resource: { buffer: this.#solids } },
        ],
      });
    this.#groups = {
      vertex: sceneGroup(vertexLayout),
      scene: sceneGroup(shadeLayout),
      maps: device.createBindGroup({
        layout: maps,
        entries: [
          ...this.#textures.map((each, binding) => ({ binding, resource: each.createView() })),
          { binding: 3, resource: { buffer: this.#picture } },
        ],
      }),
    };
  }

  /** @throws RunError `no-adapter`, `device-request` */
  static async create(stage: Stage, options: RenderOptions): Promise<WebGpuRenderer> {
    const { device, info } = await openDevice();
    return new WebGpuRenderer(device, `WebGPU: ${info.description}`, stage, options);
  }

  async draw(view: View, poses: Float32Array, out: Uint8ClampedArray): Promise<void> {
    const { width, height } = this.#options;
    const device = this.#device;
    this.#writeFrame(view);
    for (let s = 0; s < this.#ranges.length; s++) {
      const pose = poses.subarray(s * POSE_SIZE, (s + 1) * POSE_SIZE);
      this.#solidData.set(pose, s * SOLID_SIZE);
    }
    device.queue.writeBuffer(this.#solids, 0, this.#solidData);
    const encoder = device.createCommandEncoder();
    const [surfaces, depths, shadowMap] = this.#textures.map((each) => each.createView());
    const depthOf = (to: GPUTextureView): GPURenderPassDepthStencilAttachment => ({
      view: to,
      depthClearValue: 0,
      depthLoadOp: "clear",
      depthStoreOp: "store",
    });
    if (this.#mapSize > 0) {
      this.#drawSolids(encoder, this.#shadowPipeline, {
        colorAttachments: [],
        depthStencilAttachment: depthOf(shadowMap),
      });
    }
    this.#drawSolids(encoder, this.#solidPipeline, {
      colorAttachments: [{
        view: surfaces,
        clearValue: [0, 0, 0, 0],
        loadOp: "clear",
        storeOp: "store",
      }],
      depthStencilAttachment: depthOf(depths),
    });
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#shadePipeline);
    pass.setBindGroup(0, this.#groups.scene);
    pass.setBindGroup(1, this.#groups.maps);
    pass.dispatchWorkgroups(Math.ceil(width / GROUP), Math.ceil(height / GROUP));
    pass.end();
    encoder.copyBufferToBuffer(this.#picture, 0, this.#staging, 0, 4 * width * height);
    device.queue.submit([encoder.finish()]);
    await this.#staging.mapAsync(GPUMapMode.READ);
    out.set(new Uint8Array(this.#staging.getMappedRange()));
    this.#staging.unmap();
  }

  close(): void {
    this.#textures.forEach((texture) => texture.destroy());
    const buffers = [this.#vertices, this.#indices, this.#frame, this.#solids, this.#picture];
    [...buffers, this.#staging].forEach((buffer) => buffer.destroy());
    this.#device.destroy();
  }

  #drawSolids(
    encoder: GPUCommandEncoder,
    pipeline: GPURenderPipeline,
    descriptor: GPURenderPassDescriptor,
  ): void {
    const pass = encoder.beginRenderPass(descriptor);
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, this.#groups.vertex);
    pass.setVertexBuffer(0, this.#vertices);
    pass.setIndexBuffer(this.#indices, "uint32");
    this.#ranges.forEach(({ indices, firstIndex, firstVertex }, s) => {
      // the number of the instance tells the shader which solid it is
      pass.drawIndexed(indices, 1, firstIndex, firstVertex, s);
    });
    pass.end();
  }

  #writeFrame(view: View): void {
    const { width, height } = this.#options;
    const { floor } = this.#stage;
    const sun = sunFrame(view, this.#mapSize || 1);
    const data = this.#frameData;
    data.set([
      ...[...view.eye, view.focal],
      ...[...view.right, view.range],
      ...[...view.up, floor.height],
      ...[...view.forward, floor.tile],
      ...[...view.focus, sun.sun0],
      ...[...view.sun, sun.u0],
      ...[...sun.u, sun.v0],
      ...[...sun.v, width / height],
    ]);
    new Uint32Array(data.buffer).set([width, height], 32);
    this.#device.queue.writeBuffer(this.#frame, 0, data);
  }
}

/** All meshes in common buffers. */
function joined({ solids }: Stage) {
  const ranges: Range[] = [];
  let vertexCount = 0;
  let indexCount = 0;
  for (const { mesh } of solids) {
    const indices = mesh.triangles.length;
    ranges.push({ firstIndex: indexCount, indices, firstVertex: vertexCount });
    vertexCount += mesh.positions.length / 3;
    indexCount += indices;
  }
  const vertices = new Float32Array(vertexCount * VERTEX_SIZE);
  const indices = new Uint32Array(indexCount);
  solids.forEach(({ mesh: { positions, normals, triangles } }, s) => {
    for (let v = 0; v < positions.length / 3; v++) {
      const at = (ranges[s].firstVertex + v) * VERTEX_SIZE;
      vertices.set(positions.subarray(3 * v, 3 * v + 3), at);
      vertices.set(normals.subarray(3 * v, 3 * v + 3), at + 3);
    }
    indices.set(triangles, ranges[s].firstIndex);
  });
  return { vertices, indices, ranges };
}
