/**
 * Tile profiles: how the generators shape a kernel for a kind of device. A kernel's arithmetic is
 * the same under every profile; what changes is how many threads share a tile of samples, how
 * large a block of results one thread holds in registers and how far loops are unrolled.
 *
 * On a CPU that plays GPU (lavapipe, SwiftShader) a load costs ten to twenty multiply-adds, so few
 * threads with large blocks win and uniform buffers beat storage buffers. On a GPU two warps with
 * blocks that fit the register file win, and weights come through the cache.
 */

/** Shape of the generated kernels for one kind of device. */
export interface TileProfile {
  /** What kind of adapter it is for. */
  readonly name: "software" | "gpu";
  /** Threads of one workgroup of a tile kernel. */
  readonly workgroupSize: number;
  /** Samples of one tile, preferred first; the first that fits the workgroup memory is taken. */
  readonly tileSizes: readonly number[];
  /** Address space of the weights; `uniform` falls back to `storage` where they are too large. */
  readonly weightSource: "uniform" | "storage";
  /** Relative costs by which block shapes are chosen: vec4 loads and one vec4 multiply-add. */
  readonly cost: { readonly weight: number; readonly tile: number; readonly multiplyAdd: number };
  /** Most vec4 sums that one thread holds in a product. */
  readonly maxSums: number;
  /** Most gradient entries that one thread computes at a time. */
  readonly maxOuter: number;
  /**
   * Gradient columns that one thread keeps in variables while it goes through the rows (see
   * held_gradient.ts), 4 or 8; 0: blocks of sums instead.
   */
  readonly heldColumns: number;
  /** Loops are unrolled until a body has this cost, */
  readonly bodyCost: number;
  /** but to no more vec4 multiply-adds than this. */
  readonly maxUnrolled: number;
  /** Most gradient entries of one thread in named variables; above, an indexed array. */
  readonly maxRegisterGradients: number;
  /** Most gradient entries of one thread in an indexed array; above, the result buffer itself. */
  readonly maxPrivateGradients: number;
  /** Workgroups that keep the device busy; decides into how many chunks a task is cut. */
  readonly targetWorkgroups: number;
}

/** For llvmpipe and SwiftShader: 8-lane SIMD, expensive loads, slow compilation. */
export const SOFTWARE_PROFILE: TileProfile = {
  name: "software",
  workgroupSize: 8,
  tileSizes: [32, 16, 8, 4],
  weightSource: "uniform",
  cost: { weight: 10, tile: 12, multiplyAdd: 0.6 },
  maxSums: 32,
  maxOuter: 64,
  heldColumns: 8,
  bodyCost: 50,
  maxUnrolled: 128,
  maxRegisterGradients: 0,
  maxPrivateGradients: 0,
  targetWorkgroups: 16,
};

/** For GPUs: two warps a workgroup, up to 64 sums and 160 gradient entries in registers. */
export const GPU_PROFILE: TileProfile = {
  name: "gpu",
  workgroupSize: 64,
  tileSizes: [32, 16, 8, 4],
  weightSource: "storage",
  cost: { weight: 4, tile: 4, multiplyAdd: 2 },
  maxSums: 16,
  maxOuter: 64,
  heldColumns: 0,
  bodyCost: 50,
  maxUnrolled: 128,
  maxRegisterGradients: 160,
  maxPrivateGradients: 512,
  targetWorkgroups: 1024,
};
