/**
 * Every command that takes long, killed with SIGKILL at fifty random moments and gone on with each
 * time: it ends with the bytes of one that ran through, and no checkpoint is ever unreadable.
 */
import assert from "node:assert/strict";
import { FAMLE_VICTIMS, killAndCompare, META_VICTIMS } from "../trainer/kill_support.ts";

const KILLS = 50;

for (const victim of [...META_VICTIMS, ...FAMLE_VICTIMS]) {
  Deno.test(`${victim.name}: killed ${KILLS} times, it ends with the same bytes`, async () => {
    const { kills, whileWriting } = await killAndCompare(victim, KILLS, 2);
    console.log(`${victim.name}: ${kills} kills, ${whileWriting} while a file was being written`);
    // the ones that write all the time were hit at it
    assert.ok(whileWriting > 0 || victim.resume === null);
  });
}
