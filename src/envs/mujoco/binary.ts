/**
 * MuJoCo's WASM binary as bytes. Imported by runtime.ts when a thread has to compile it, so that
 * no file is read at run time: a bundle and a compiled program carry it inside.
 */
import mujocoWasm from "@mujoco/mujoco/mujoco.wasm" with { type: "bytes" };

export { mujocoWasm };
