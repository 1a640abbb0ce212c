/** What is the WebGPU backend's own: memory, reads, errors, limits and the texts of the kernels. */
import assert from "node:assert/strict";
import type { Command } from "../../src/compute/kernels.ts";
import type { PolicySpec } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { dumpKernels } from "../../src/compute/webgpu/dump.ts";
import {
  buildKernel,
  elementGrid,
  elementMain,
  unitsPerInvocation,
} from "../../src/compute/webgpu/kernel.ts";
import { declareExp, declareTanh } from "../../src/compute/webgpu/wgsl_math.ts";
import { loopLimit, PROBE_ITERATIONS } from "../../src/compute/webgpu/loop_probe.ts";
import { PipelineCache } from "../../src/compute/webgpu/pipeline.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../../src/compute/webgpu/profile.ts";
import { WebGpuDevice } from "../../src/compute/webgpu/webgpu_device.ts";
import { WgslWriter } from "../../src/compute/webgpu/wgsl_writer.ts";
import { RunError } from "../../src/util/errors.ts";
import {
  assertKernel,
  type CaseBuilder,
  encoderBackwardCase,
  policyForwardCase,
  runCase,
  surrogateGradientCase,
} from "./compare.ts";
import { gpuTest, withGpu } from "./webgpu_support.ts";

const reference = new ReferenceDevice();
const spec: PolicySpec = {
  obsDim: 3,
  actDim: 2,
  hiddenSizes: [4],
  activation: "tanh",
  learnStd: true,
  film: null,
};

/** For `assert.rejects`: a RunError of this code whose message holds all the texts. */
function runError(code: string, ...texts: string[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof RunError, String(error));
    assert.equal(error.code, code);
    for (const text of texts) assert.ok(error.message.includes(text), error.message);
    assert.ok(!error.message.includes("\n"), "one line");
    return true;
  };
}

gpuTest(
  "write() takes any kind of numbers at any offset, read() gives them back",
  () =>
    withGpu(async (device) => {
      const tensor = device.tensor("t", [2, 3]);
      assert.deepEqual([...await device.read(tensor)], [0, 0, 0, 0, 0, 0]);
      device.write(tensor, [1, 2, 3, 4, 5, 6]);
      device.write(tensor, new Float32Array([0, 7, 8]).subarray(1), 1);
      device.write(tensor, new Float64Array([9]), 5);
      const shared = new Float32Array(new SharedArrayBuffer(4));
      shared[0] = 10;
      device.write(tensor, shared, 4);
      device.write(tensor, []);
      assert.deepEqual([...await device.read(tensor)], [1, 7, 8, 4, 10, 9]);
      const counts = device.tensor("n", [2], "u32");
      device.write(counts, [1, 2 ** 32 - 1]);
      assert.deepEqual(await device.read(counts), new Uint32Array([1, 2 ** 32 - 1]));
      assert.throws(
        () => device.write(tensor, [1, 2], 5),
        runError("tensor-range", "2 numbers at 5 of t [2,3]: it has 6"),
      );
    }),
);

gpuTest(
  "read() sees what was submitted last, at every size, first time and later",
  () =>
    withGpu(async (device) => {
      for (const size of [1, 3, 64, 65, 5000]) {
        const tensor = device.tensor("t", [size]);
        for (const value of [1, 2, 3]) {
          const row = device.tensor("row", [1]);
          device.write(row, [value]);
          await device.submit([{ kernel: "broadcast_row", row, out: tensor }]);
          assert.deepEqual(await device.read(tensor), new Float32Array(size).fill(value));
          device.free(row);
        }
      }
    }),
);

gpuTest(
  "tensors are counted until they are freed, and can't be used afterwards",
  () =>
    withGpu(async (device) => {
      const out = device.tensor("out", [4]);
      const command: Command = { kernel: "clear", out };
      assert.equal(device.liveTensors, 1);
      await device.submit([command]);
      device.free(out);
      assert.equal(device.liveTensors, 0);
      const freed = runError("freed-tensor", "out [4]");
      await assert.rejects(device.submit([command]), freed);
      await assert.rejects(device.read(out), freed);
      assert.throws(() => device.free(out), freed);
      const foreign = reference.tensor("foreign", [4]);
      await assert.rejects(
        device.submit([{ kernel: "clear", out: foreign }]),
        runError("foreign-tensor", "foreign [4]"),
      );
      await runCase(device, policyForwardCase({ spec, counts: [3], modulated: false }));
      assert.equal(device.liveTensors, 0);
    }),
);

gpuTest(
  "a command submitted twice is prepared once and runs twice",
  () =>
    withGpu(async (device) => {
      const params = device.tensor("params", [3]);
      const grad = device.tensor("grad", [3]);
      device.write(grad, [1, 2, 3]);
      const command: Command = { kernel: "sgd_step", params, grad, lr: -1, out: params };
      await device.submit([command, command]);
      const kernels = device.compiledKernels;
      await device.submit([command]);
      assert.deepEqual([...await device.read(params)], [3, 6, 9]);
      assert.equal(device.compiledKernels, kernels);
    }),
);

gpuTest("results are the same bits every time", () =>
  withGpu(async (device) => {
    // several chunks per task and workgroups that finish in any order
    const build = surrogateGradientCase({ spec, counts: [900, 70], modulated: false });
    const [first, second] = [await runCase(device, build), await runCase(device, build)];
    assert.deepEqual(first, second);
  }));

gpuTest("tensors that do not fit the contract are refused", () =>
  withGpu(async (device) => {
    const rows = device.tensor("rows", [2, 3]);
    const out = device.tensor("out", [4]);
    await assert.rejects(
      device.submit([{ kernel: "sum_rows", rows, scale: 1, out }]),
      runError("kernel-arguments", "sum_rows: rows is f32 [2,3], wanted f32 [1,4]"),
    );
    const gradient = surrogateGradientCase({ spec, counts: [3], modulated: false });
    const encoder = encoderBackwardCase({
      spec: { inputDim: 2, cellSize: 3, outputDim: 2, mlpAfterGru: false, mlpAfterPool: false },
      ...{ slots: 1, steps: 2, paths: [1] },
    });
    const refused = async (build: CaseBuilder, change: object, text: string) => {
      const changed: CaseBuilder = async (target, random) => {
        const built = await build(target, random);
        return { ...built, commands: [{ ...built.commands[0], ...change } as Command] };
      };
      await assert.rejects(runCase(device, changed), runError("kernel-arguments", text));
    };
    await refused(gradient, { stats: rows }, "stats is f32 [2,3], wanted f32 [1,2]");
    await refused(gradient, { modulation: rows }, "a policy without FiLM");
    await refused(gradient, { spec: { ...spec, hiddenSizes: [1, 1, 1, 1, 1] } }, "5 hidden layers");
    await refused(gradient, { spec: { ...spec, hiddenSizes: [5] } }, "params is f32 [1,28]");
    await refused(encoder, { slots: 3 }, "sequences is f32 [1,2,2], wanted f32 [3,0,2]");
  }));

gpuTest("NaN in any input stays visible", () =>
  withGpu(async (device) => {
    for (const name of ["obs", "actions", "advantages", "oldMean", "oldLogStd"] as const) {
      const [grad] = await runCase(device, async (target, random) => {
        const sizes = { spec, counts: [9], modulated: false };
        const built = await surrogateGradientCase(sizes, { clipEps: 0.1 })(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "surrogate_gradient");
        target.write(command.samples[name], [NaN]);
        return built;
      });
      assert.ok(grad.data.some(Number.isNaN), name);
    }
    const encoder = { inputDim: 2, cellSize: 3, outputDim: 2, mlpAfterGru: true };
    for (let gate = 0; gate < 3; gate++) {
      const [gradient] = await runCase(device, async (target, random) => {
        const built = await encoderBackwardCase({
          ...{ spec: { ...encoder, mlpAfterPool: true }, slots: 1, steps: 2, paths: [1] },
        })(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "encoder_backward");
        // first entry of the gate's bias, behind the two GRU matrices
        target.write(command.params, [NaN], (2 + 3) * 9 + 3 * gate);
        return built;
      });
      assert.ok(gradient.data.some(Number.isNaN), `gate ${gate}`);
    }
  }));

gpuTest(
  "a task's NaN stays out of other tasks and of later commands",
  () =>
    withGpu(async (device) => {
      const build = surrogateGradientCase({ spec, counts: [40, 5], modulated: false });
      const clean = await runCase(device, build);
      const dirty = await runCase(device, async (target, random) => {
        const built = await build(target, random);
        const [command] = built.commands;
        assert.ok(command.kernel === "surrogate_gradient");
        target.write(command.samples.obs, new Float32Array(40 * spec.obsDim).fill(NaN));
        return built;
      });
      for (const [at, { label, data }] of dirty.entries()) {
        assert.ok(Number.isNaN(data[0]), label);
        assert.deepEqual(data.subarray(data.length / 2), clean[at].data.subarray(data.length / 2));
      }
      assert.deepEqual(await runCase(device, build), clean);
    }),
);

gpuTest("exp4() and tanh4() are right to 2.5e-7 everywhere", () =>
  withGpu(async (device) => {
    const count = 4096;
    const kernel = buildKernel({
      name: "functions",
      sizes: `${count}`,
      header: ["y[0,:] = exp(x); y[1,:] = tanh(x / 20)"],
      bindings: [
        { name: "x", access: "read", element: "f32" },
        { name: "y", access: "read_write", element: "f32" },
      ],
      body: (w) => {
        declareExp(w);
        declareTanh(w);
        elementMain(w, `${count}u`, () => {
          w.line("y[index] = exp1(x[index]);");
          w.line(`y[${count}u + index] = tanh4(vec4f(x[index] / 20.0)).x;`);
        });
      },
    });
    const special = [0, 89, 1000, -104, -1000, NaN];
    const x = Float32Array.from(
      { length: count },
      (_, at) => special[at] ?? -87 + 175 * at / count,
    );
    const input = device.tensor("x", [count]);
    const output = device.tensor("y", [2, count]);
    device.write(input, x);
    const gpu = device.gpuDevice;
    const { pipeline, layout } = await new PipelineCache(gpu).get(kernel);
    const entries = [input, output].map((tensor, binding) => ({
      binding,
      resource: { buffer: device.bufferOf(tensor) },
    }));
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, gpu.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...elementGrid(count));
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    const y = await device.read(output);
    assert.deepEqual([...y.slice(0, 6)], [1, Infinity, Infinity, 0, 0, NaN]);
    assert.ok(Number.isNaN(y[count + 5]));
    for (let at = special.length; at < count; at++) {
      const exp = Math.exp(x[at]);
      assert.ok(Math.abs(y[at] - exp) <= 2.5e-7 * exp, `exp(${x[at]}) = ${y[at]}`);
      const tanh = Math.tanh(x[at] / 20);
      assert.ok(Math.abs(y[count + at] - tanh) <= 2.5e-7, `tanh(${x[at]} / 20)`);
    }
  }));

gpuTest(
  "layers that do not fit the workgroup memory are refused with their sizes",
  () =>
    withGpu(async (device) => {
      const wide = policyForwardCase({
        spec: { ...spec, hiddenSizes: [5000] },
        counts: [1],
        modulated: false,
      });
      await assert.rejects(
        runCase(device, wide),
        runError("workgroup-memory", "3-5000-2", `${device.limits.workgroupBytes} are there`),
      );
    }),
);

gpuTest(
  "a tensor larger than the GPU can bind is refused with its size",
  () =>
    withGpu((device) => {
      const elements = device.limits.storageBytes / 4 + 1;
      assert.throws(
        () => device.tensor("obs", [elements]),
        runError("gpu-memory", `"obs" [${elements}]`, `${device.limits.storageBytes}`),
      );
      return Promise.resolve();
    }),
);

gpuTest(
  "a shader error names the kernel, its sizes and the WGSL line",
  () =>
    withGpu(async (device) => {
      const kernel = buildKernel({
        name: "broken",
        sizes: "3-4-2",
        header: ["does not compile"],
        bindings: [{ name: "out", access: "read_write", element: "f32" }],
        body: (w) => {
          w.line("@compute @workgroup_size(1)");
          w.block("fn main()", () => w.line("out[0] = missing + 1.0;"));
        },
      });
      const line = kernel.wgsl.split("\n").findIndex((text) => text.includes("missing")) + 1;
      await assert.rejects(
        new PipelineCache(device.gpuDevice).get(kernel),
        runError(
          "shader",
          "broken (3-4-2)",
          `line ${line}: \`out[0] = missing + 1.0;\``,
          "missing",
        ),
      );
    }),
);

gpuTest(
  "buffers of commands that are not submitted any more are given back",
  () =>
    withGpu(async (device) => {
      const params = device.tensor("params", [4]);
      const grad = device.tensor("grad", [4]);
      device.write(grad, [1, 2, 3, 4]);
      const step = (lr: number) => ({ kernel: "sgd_step", params, grad, lr, out: params } as const);
      const first = step(-1);
      await device.submit([first]);
      for (let i = 0; i < 600; i++) await device.submit([step(0)]);
      const { count, bytes } = device.liveBuffers;
      for (let i = 0; i < 600; i++) await device.submit([step(0), step(0)]);
      assert.deepEqual(device.liveBuffers, { count, bytes });
      // it has been forgotten, and is prepared again
      await device.submit([first]);
      assert.deepEqual([...await device.read(params)], [2, 4, 6, 8]);
      device.free(params);
      assert.ok(device.liveBuffers.bytes < bytes + 256, "one tensor less, one staging buffer more");
    }),
);

gpuTest("a lost device is an error of the next call", async () => {
  const device = await WebGpuDevice.create();
  const out = device.tensor("out", [4]);
  device.gpuDevice.destroy();
  await device.gpuDevice.lost;
  await assert.rejects(device.submit([{ kernel: "clear", out }]), runError("device-lost", "lost"));
  await assert.rejects(device.read(out), runError("device-lost"));
  await device.close();
});

gpuTest(
  "a failed submit or read names what failed, and the next one works",
  () =>
    withGpu(async (device) => {
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = device.gpuDevice.createBuffer({ size: 16, usage });
      const out = device.importBuffer("foreign", [4], buffer);
      assert.deepEqual([...await device.read(out)], [0, 0, 0, 0]);
      buffer.destroy();
      await assert.rejects(
        device.submit([{ kernel: "clear", out }]),
        runError("gpu", "clear", "foreign [4]"),
      );
      await assert.rejects(device.read(out), runError("gpu-read", "16 bytes"));
      const fine = device.tensor("fine", [4]);
      device.write(fine, [1, 2, 3, 4]);
      await device.submit([{ kernel: "clear", out: fine }]);
      assert.deepEqual([...await device.read(fine)], [0, 0, 0, 0]);
    }),
);

gpuTest("importBuffer() refuses buffers that kernels could not use", () =>
  withGpu((device) => {
    const refused = runError("buffer-import", "small as [5]", "20 bytes");
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    for (const descriptor of [{ size: 16, usage }, { size: 64, usage: GPUBufferUsage.STORAGE }]) {
      const buffer = device.gpuDevice.createBuffer(descriptor);
      assert.throws(() => device.importBuffer("small", [5], buffer), refused);
      buffer.destroy();
    }
    return Promise.resolve();
  }));

gpuTest("the loop probe finds the 65,535 iterations of Mesa 22", () =>
  withGpu((device) => {
    const { loopIterations } = device.limits;
    if (/loops end after 65535/.test(device.description)) assert.equal(loopIterations, 64879);
    else assert.equal(loopIterations, Infinity);
    return Promise.resolve();
  }));

Deno.test("loopLimit() leaves room below what the driver executes", () => {
  assert.equal(loopLimit(65535), 64879);
  assert.equal(loopLimit(PROBE_ITERATIONS), Infinity);
});

gpuTest("tasks whose tiles exceed the loop limit are cut into chunks", () =>
  withGpu(
    async (device) => {
      // one workgroup would execute more than 65,535 iterations for these samples
      const build = surrogateGradientCase({
        spec: { ...spec, obsDim: 1, actDim: 1, hiddenSizes: [] },
        counts: [300_000],
        modulated: false,
      });
      await assertKernel(device, reference, { kernel: "surrogate_gradient", name: "long", build });
    },
    { profile: { ...SOFTWARE_PROFILE, tileSizes: [16, 4], targetWorkgroups: 1 } },
  ));

gpuTest(
  "sequences whose steps exceed the loop limit are cut into launches",
  () =>
    withGpu(async (device) => {
      const encoder = { inputDim: 1, cellSize: 1, outputDim: 1, mlpAfterGru: false };
      const build = encoderBackwardCase({
        spec: { ...encoder, mlpAfterPool: false },
        slots: 1,
        steps: 20_000,
        paths: [1],
      });
      await assertKernel(device, reference, { kernel: "encoder_backward", name: "long", build });
    }),
);

gpuTest("sequences whose kept states exceed one binding are kept in several buffers", () =>
  withGpu(
    async (device) => {
      const build = encoderBackwardCase({
        spec: { inputDim: 2, cellSize: 3, outputDim: 2, mlpAfterGru: true, mlpAfterPool: false },
        slots: 10,
        steps: 20,
        paths: [10, 7],
      });
      // tiles of 4 sequences: 20 steps of 24 rows take 7,680 bytes each, 2 of the 5 tiles fit
      await assertKernel(device, reference, { kernel: "encoder_backward", name: "groups", build });
    },
    { profile: { ...SOFTWARE_PROFILE, tileSizes: [4] }, limits: { storageBytes: 20_000 } },
  ));

gpuTest(
  "encoder states that fit no binding are refused with their sizes",
  () =>
    withGpu(async (device) => {
      const build = encoderBackwardCase({
        spec: { inputDim: 2, cellSize: 3, outputDim: 2, mlpAfterGru: false, mlpAfterPool: false },
        slots: 1,
        steps: 50,
        paths: [1],
      });
      await assert.rejects(
        runCase(device, build),
        runError("gpu-memory", "encoder_backward", "50 steps", "20000"),
      );
    }, { limits: { storageBytes: 20_000 } }),
);

Deno.test("create() says no-adapter where there is no WebGPU", async () => {
  Object.defineProperty(navigator, "gpu", { value: undefined, configurable: true });
  try {
    await assert.rejects(WebGpuDevice.create(), runError("no-adapter", "--device cpu"));
  } finally {
    Reflect.deleteProperty(navigator, "gpu");
  }
});

Deno.test("WgslWriter counts the iterations of nested loops", () => {
  const writer = new WgslWriter();
  const perPass = writer.loop({ variable: "i", to: "n", passes: 10 }, () => {
    writer.loop({ variable: "j", to: "7u", passes: 7 }, () => writer.line("x += 1.0;"));
    writer.loop({ variable: "once", to: "1u", passes: 1 }, () => writer.line("x += 1.0;"));
    writer.spread("k", 20, 8, () => writer.line("x += 1.0;"));
  });
  // 7 passes of j, none for the single pass, ceil(20 / 8) of k, each loop's end, and the loop's own
  assert.equal(perPass, (7 + 1) + 0 + (3 + 1) + 1);
  assert.equal(writer.iterations, 10 * perPass + 1);
});

Deno.test("unitsPerInvocation() refuses a kernel whose single tile exceeds the limit", () => {
  const kernel = { ...dumpless(), iterations: 10, iterationsPerUnit: 30 };
  const limits = { workgroupBytes: 0, uniformBytes: 0, storageBytes: 0, loopIterations: 100 };
  assert.equal(unitsPerInvocation(kernel, limits), 3);
  assert.throws(
    () => unitsPerInvocation(kernel, { ...limits, loopIterations: 39 }),
    runError("loop-limit", "wide (3-4-2)", "40 loop iterations"),
  );
});

function dumpless() {
  return buildKernel({ name: "wide", sizes: "3-4-2", header: [], bindings: [], body: () => {} });
}

Deno.test("dumpKernels() gives every kernel's text with a header that says what it does", () => {
  const encoder = { inputDim: 6, cellSize: 8, outputDim: 8, mlpAfterGru: true, mlpAfterPool: true };
  const film = { useBetas: true, shiftGammas: true };
  for (const profile of [GPU_PROFILE, SOFTWARE_PROFILE]) {
    const dump = dumpKernels({ ...spec, film }, encoder, profile);
    const names = dump.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of ["policy_forward", "inner_step_pullback", "gru_backward", "adam"]) {
      assert.ok(names.includes(name), name);
    }
    for (const { name, wgsl } of dump) {
      assert.match(wgsl, /^\/\/ \w+: .*\n\/\/ \S.*\n/, name);
      assert.equal(wgsl.split("{").length, wgsl.split("}").length, name);
    }
  }
});
