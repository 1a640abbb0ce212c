/**
 * All properties of tests/fuzz with 100,000 inputs each, or as many as METARL_FUZZ_RUNS says; about
 * an hour. METARL_FUZZ_SEED chooses other inputs. Not named as a test file, so that the other tests
 * run without it.
 */
if (Deno.env.get("METARL_FUZZ_RUNS") === undefined) Deno.env.set("METARL_FUZZ_RUNS", "100000");

await import("../fuzz/checkpoint_test.ts");
await import("../fuzz/cli_test.ts");
await import("../fuzz/config_test.ts");
await import("../fuzz/environment_test.ts");
await import("../fuzz/expression_test.ts");
await import("../fuzz/numpy_test.ts");
await import("../fuzz/run_folder_test.ts");
await import("../fuzz/torch_test.ts");
