/**
 * `deno task golden [DIR] [--backend NAME]...`: runs the golden fixtures of a folder on every
 * backend present (or on the named ones, which then have to be present) and prints one row per
 * fixture and backend. Exit code 1 where one fails, 2 where it was asked wrongly.
 */
import type { Device, DeviceKind } from "../src/compute/device.ts";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import { ReferenceDevice } from "../src/compute/reference/reference_device.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { readFixtures } from "../src/golden/fixture.ts";
import { type GoldenRow, runGolden } from "../src/golden/run.ts";
import { RunError, UserError } from "../src/util/errors.ts";

const CREATE: Readonly<Record<DeviceKind, () => Promise<Device>>> = {
  reference: () => Promise.resolve(new ReferenceDevice()),
  cpu: () => CpuDevice.create(),
  webgpu: () => WebGpuDevice.create(),
};

function parseArguments(args: readonly string[]): { directory: string; backends: DeviceKind[] } {
  let directory = new URL("../tests/golden", import.meta.url).pathname;
  const backends: DeviceKind[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--backend") {
      const name = args[++at];
      if (!(name in CREATE)) {
        throw new UserError(
          "golden-backend",
          `--backend: "${name}" is none of ${Object.keys(CREATE).join(", ")}`,
        );
      }
      backends.push(name as DeviceKind);
    } else if (args[at].startsWith("-")) {
      throw new UserError("golden-option", `${args[at]} is not an option; there is --backend NAME`);
    } else {
      directory = args[at];
    }
  }
  return { directory, backends };
}

async function openDevices(wanted: readonly DeviceKind[]): Promise<Device[]> {
  const devices: Device[] = [];
  for (const kind of Object.keys(CREATE) as DeviceKind[]) {
    if (wanted.length > 0 && !wanted.includes(kind)) continue;
    try {
      const device = await CREATE[kind]();
      console.log(device.description);
      devices.push(device);
    } catch (error) {
      const absent = error instanceof RunError && error.code === "no-adapter";
      if (!absent || wanted.includes(kind)) throw error;
      console.log(`${kind}: not present (${error.message})`);
    }
  }
  return devices;
}

function format(row: GoldenRow): string {
  const start = `${row.status.padEnd(4)}  ${row.fixture.padEnd(24)} ${row.backend.padEnd(9)}`;
  if (row.status === "skip") return `${start} ${row.note}`;
  const numbers = `error ${row.error.toExponential(1)}  tolerance ${
    row.tolerance.toExponential(0)
  }`;
  return `${start} ${numbers}  ${String(row.tensors).padStart(3)} tensors, worst ${
    row.note || row.tensor
  }`;
}

try {
  const { directory, backends } = parseArguments(Deno.args);
  const fixtures = await readFixtures(directory);
  const devices = await openDevices(backends);
  const counts = { pass: 0, fail: 0, skip: 0 };
  for await (const row of runGolden(fixtures, devices)) {
    counts[row.status]++;
    console.log(format(row));
  }
  for (const device of devices) await device.close();
  console.log(`golden: ${counts.pass} pass, ${counts.fail} fail, ${counts.skip} skip`);
  Deno.exitCode = counts.fail > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof UserError || error instanceof RunError)) throw error;
  console.error(`error: ${error.message}`);
  Deno.exitCode = error instanceof UserError ? 2 : 1;
}
