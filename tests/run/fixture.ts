/** Files written by NumPy and PyTorch (tests/run/data/make_fixtures.py), and their mistreatment. */
import assert from "node:assert/strict";
import { UserError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

/** Bytes of a file in tests/run/data. */
export function fixture(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`data/${name}`, import.meta.url));
}

/** Content of a JSON file in tests/run/data. */
export function expected(name: string) {
  return JSON.parse(new TextDecoder().decode(fixture(name)));
}

/** A one-line UserError that names the file `source` and matches `text`. */
export function refuses(read: () => unknown, source: string, text: RegExp): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.code, "data-file-damaged");
    assert.ok(error.message.includes(source), error.message);
    assert.ok(!error.message.includes("\n"), error.message);
    assert.match(error.message, text);
    return true;
  });
}

/**
 * Reads every beginning of a file (all must be refused) and many copies with a few wrong bytes
 * (these are read or refused: nothing else may happen).
 */
export function mistreat(name: string, read: (file: Uint8Array, source: string) => unknown): void {
  const file = fixture(name);
  for (let length = 0; length < file.length; length++) {
    refuses(() => read(file.slice(0, length), name), name, /./);
  }
  const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
  let refused = 0;
  for (let trial = 0; trial < 2000; trial++) {
    const broken = file.slice();
    for (let i = random.integer(3); i >= 0; i--) {
      broken[random.integer(broken.length)] = random.integer(256);
    }
    try {
      read(broken, name);
    } catch (error) {
      assert.ok(error instanceof UserError, `trial ${trial}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > 0);
}
