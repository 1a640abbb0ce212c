/** Runs golden fixtures on devices, one result row per fixture and backend. */
import type { Device, DeviceKind } from "../compute/device.ts";
import { messageOf } from "../util/errors.ts";
import { checkAdam } from "./adam.ts";
import { Comparison, tolerancesOf } from "./comparison.ts";
import { checkPointCase, checkProcessingCase } from "./data.ts";
import { checkDistributions } from "./distributions.ts";
import { checkEncoderCase } from "./encoder.ts";
import { checkFamle } from "./famle.ts";
import type { Fixture, FixtureKind } from "./fixture.ts";
import { checkMetaCase } from "./meta.ts";
import { checkPhysics } from "./physics.ts";

/** Outcome of one fixture on one backend. */
export interface GoldenRow {
  readonly fixture: string;
  readonly backend: DeviceKind | "host";
  readonly status: "pass" | "fail" | "skip";
  /** Tensors compared. */
  readonly tensors: number;
  /** Of the tensor that comes closest to its tolerance, or exceeds it most. */
  readonly error: number;
  readonly tolerance: number;
  readonly tensor: string;
  /** Why it was skipped or failed without a number. */
  readonly note: string;
}

type Check = (device: Device, content: unknown, comparison: Comparison) => Promise<void>;
type HostCheck = (content: unknown, comparison: Comparison) => Promise<void> | void;

/** Checks that run on every device. */
const DEVICE_CHECKS: Partial<Record<FixtureKind, Check>> = {
  adam: checkAdam,
  distributions: checkDistributions,
  encoder: checkEncoderCase,
  famle: checkFamle,
  meta: checkMetaCase,
};

/** Checks of code that always runs on the host in float64. */
const HOST_CHECKS: Partial<Record<FixtureKind, HostCheck>> = {
  physics: checkPhysics,
  point_env: checkPointCase,
  sample_processing: checkProcessingCase,
};

/** The fixture's cases (and its planner, where it has one), or its whole content. */
function casesOf(fixture: Fixture): unknown[] {
  const { cases, planner } = fixture.content;
  if (!Array.isArray(cases)) return [fixture.content];
  return planner === undefined ? cases : [...cases, { planner }];
}

async function judge(
  fixture: Fixture,
  backend: DeviceKind | "host",
  check: (content: unknown, comparison: Comparison) => Promise<void> | void,
): Promise<GoldenRow> {
  const comparison = new Comparison(tolerancesOf(backend));
  const row = { fixture: fixture.name, backend };
  try {
    for (const content of casesOf(fixture)) await check(content, comparison);
    const { tensor, error, tolerance } = comparison.worst();
    const status = error <= tolerance ? "pass" : "fail";
    return { ...row, status, tensors: comparison.count, error, tolerance, tensor, note: "" };
  } catch (error) {
    return {
      ...row,
      status: "fail",
      tensors: comparison.count,
      error: NaN,
      tolerance: comparison.tolerances.value,
      tensor: "",
      note: messageOf(error),
    };
  }
}

/** Runs every fixture on every device; a check of host code runs once. */
export async function* runGolden(
  fixtures: readonly Fixture[],
  devices: readonly Device[],
): AsyncGenerator<GoldenRow> {
  for (const fixture of fixtures) {
    const hostCheck = HOST_CHECKS[fixture.kind];
    const check = DEVICE_CHECKS[fixture.kind];
    if (hostCheck !== undefined) {
      yield await judge(fixture, "host", hostCheck);
    } else if (check !== undefined) {
      for (const device of devices) {
        yield await judge(
          fixture,
          device.kind,
          (content, comparison) => check(device, content, comparison),
        );
      }
    } else {
      yield {
        fixture: fixture.name,
        backend: "host",
        status: "skip",
        tensors: 0,
        error: NaN,
        tolerance: NaN,
        tensor: "",
        note: `no check for ${fixture.kind}`,
      };
    }
  }
}
