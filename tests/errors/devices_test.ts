/** Errors that need a GPU to be provoked. */
import assert from "node:assert/strict";
import { engine } from "@tensorflow/tfjs-core";
import { openTfjsKernels } from "../../src/compute/tfjs/mod.ts";
import { RunError } from "../../src/util/errors.ts";
import { gpuTest } from "../compute/webgpu_support.ts";

gpuTest("tfjs-backend is what it says", async () => {
  const before = engine().setBackend;
  engine().setBackend = () => Promise.resolve(false);
  try {
    await assert.rejects(
      openTfjsKernels(),
      (error) => error instanceof RunError && error.code === "tfjs-backend",
    );
  } finally {
    engine().setBackend = before;
  }
});
