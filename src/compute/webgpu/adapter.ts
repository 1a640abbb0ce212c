/**
 * Finds the WebGPU adapter, opens a device with the limits that the kernels want, and finds out
 * what the driver gets wrong. The only file that touches `navigator.gpu`.
 */
import { messageOf, RunError } from "../../util/errors.ts";

/** What is known about an adapter before a device is opened. */
export interface AdapterDescription {
  readonly vendor: string;
  readonly device: string;
  readonly description: string;
  /** A CPU that plays GPU (lavapipe, SwiftShader). */
  readonly isSoftware: boolean;
}

/** Name fragments of software rasterisers; `isFallbackAdapter` is wrong in Deno before 2.9. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|softpipe|basic render/i;

/** Describes the adapter behind the info that a device or an adapter gives. */
export function describeAdapter(info: GPUAdapterInfo): AdapterDescription {
  const { vendor, device, description } = info;
  return {
    vendor,
    device,
    description,
    isSoftware: SOFTWARE.test(`${device} ${description}`) || info.isFallbackAdapter === true,
  };
}

/**
 * Runs `body` with XDG_RUNTIME_DIR set. Vulkan drivers on Linux load Wayland's library, which
 * without that variable prints lines that begin with "error:", although no window is opened.
 */
async function withRuntimeDir<T>(body: () => Promise<T>): Promise<T> {
  const name = "XDG_RUNTIME_DIR";
  const { state } = await Deno.permissions.query({ name: "env", variable: name });
  if (Deno.build.os !== "linux" || state !== "granted" || Deno.env.has(name)) return await body();
  Deno.env.set(name, "/tmp");
  try {
    return await body();
  } finally {
    Deno.env.delete(name);
  }
}

/**
 * OpenGL in software, wgpu's way out where there is no Vulkan driver: it compiles one kernel for
 * a minute, so it does not count as an adapter. OpenGL shows by the widest range of subgroup
 * sizes, which wgpu reports where the API does not tell.
 */
function isSoftwareOpenGl(info: GPUAdapterInfo): boolean {
  const isOpenGl = info.subgroupMinSize === 4 && info.subgroupMaxSize === 128;
  return isOpenGl && describeAdapter(info).isSoftware;
}

async function requestAdapter(): Promise<GPUAdapter | null> {
  if (!("gpu" in navigator) || !navigator.gpu) return null;
  const adapter = await withRuntimeDir(() =>
    navigator.gpu.requestAdapter({ powerPreference: "high-performance" })
  );
  return adapter === null || isSoftwareOpenGl(adapter.info) ? null : adapter;
}

/** The adapter that {@link openDevice} would use, or `null` where there is none. */
export async function probeAdapter(): Promise<AdapterDescription | null> {
  const adapter = await requestAdapter();
  return adapter === null ? null : describeAdapter(adapter.info);
}

/** Limits that the kernels can make use of: as much as the adapter has. */
const WANTED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** Limits of an adapter, in bytes where they are sizes. */
export type AdapterLimits = Readonly<Record<(typeof WANTED_LIMITS)[number], number>>;

/** The adapter that {@link openDevice} would use with its limits, `null` where there is none. */
export async function inspectAdapter(): Promise<
  { adapter: AdapterDescription; limits: AdapterLimits } | null
> {
  const adapter = await requestAdapter();
  if (adapter === null) return null;
  const limits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, adapter.limits[name]]));
  return { adapter: describeAdapter(adapter.info), limits: limits as AdapterLimits };
}

/**
 * Opens a device on the best adapter.
 * @throws {RunError} `no-adapter` where there is none, `device-request` where it can't be opened
 */
export async function openDevice(): Promise<{ device: GPUDevice; info: GPUAdapterInfo }> {
  const adapter = await requestAdapter();
  if (adapter === null) {
    throw new RunError(
      "no-adapter",
      "Cannot open a WebGPU device: no adapter was found (OpenGL in software does not count); " +
        "install a Vulkan, Metal or D3D12 driver, or take --device cpu",
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const name of WANTED_LIMITS) requiredLimits[name] = adapter.limits[name];
  const descriptor: GPUDeviceDescriptor = { label: "metarl", requiredLimits };
  try {
    // Deno 2.6 reads the first argument of this method from the second place
    const request: (...descriptors: GPUDeviceDescriptor[]) => Promise<GPUDevice> = adapter
      .requestDevice.bind(adapter);
    return { device: await request(descriptor, descriptor), info: adapter.info };
  } catch (error) {
    throw new RunError(
      "device-request",
      `Cannot open a WebGPU device on "${adapter.info.description}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}
