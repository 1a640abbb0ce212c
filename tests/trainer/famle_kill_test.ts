/**
 * Real processes of FAMLE, killed with SIGKILL at random moments and gone on with, against ones that ran
 * through; fifty times each in `tests/long/kill.ts`.
 */
import { testNeeding } from "../permissions.ts";
import { FAMLE_VICTIMS, killAndCompare } from "./kill_support.ts";

const test = testNeeding("read", "write", "run");

const KILLS = 2;

for (const victim of FAMLE_VICTIMS) {
  test(`${victim.name}: killed ${KILLS} times, it ends with the same bytes`, async () => {
    await killAndCompare(victim, KILLS, 1);
  });
}
