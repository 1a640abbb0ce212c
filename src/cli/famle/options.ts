/** What the FAMLE commands share: their options' values, the device. */
import type { Device } from "../../compute/device.ts";
import type { DynamicsSpec } from "../../compute/layout.ts";
import { type DeviceChoice, openFamleDevice } from "../../trainer/famle_device.ts";
import { UserError } from "../../util/errors.ts";
import type { Output } from "../output.ts";

/** Options that every one of these commands has. */
export interface CommonOptions {
  readonly seed?: string;
  readonly device?: DeviceChoice;
  readonly out?: string;
  readonly json?: true;
  readonly debug?: true;
}

/** A probability that an option gives, 0 where it is not given. @throws UserError `option-value` */
export function probabilityOption(option: string, value: string | undefined): number {
  if (value === undefined) return 0;
  const number = Number(value);
  if (value.trim() !== "" && number >= 0 && number <= 1) return number;
  throw new UserError("option-value", `${option} must be a number from 0 to 1; got ${value}`);
}

/** Opens the device, with a line that says which one and why. */
export async function openDevice(
  options: CommonOptions,
  use: "training" | "planning",
  spec: DynamicsSpec,
  output: Output,
): Promise<Device> {
  return await openFamleDevice(options.device ?? "auto", use, spec, (line) => {
    if (!options.json) output.error(line);
  });
}
