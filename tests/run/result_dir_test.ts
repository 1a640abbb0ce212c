/** Folders of results: who gets them, and that nothing is left of work that gave nothing. */
import assert from "node:assert/strict";
import { ResultDir } from "../../src/run/result_dir.ts";
import { UserError } from "../../src/util/errors.ts";
import { inTemporaryFolder, namesIn } from "../cli/metarl_process.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read", "write");

test("ResultDir.create() makes a folder that goes again where nothing was written", () =>
  inTemporaryFolder(async (folder) => {
    {
      using made = ResultDir.create(`${folder}/a/`);
      assert.equal(made.path, `${folder}/a`);
      assert.deepEqual(namesIn(folder), ["a"]);
    }
    assert.deepEqual(namesIn(folder), []);
    {
      using made = ResultDir.create(`${folder}/a`);
      assert.equal(made.write("x.txt", "text"), `${folder}/a/x.txt`);
    }
    assert.equal(await Deno.readTextFile(`${folder}/a/x.txt`), "text");
  }));

test("ResultDir.create() takes a folder that is empty, and leaves it", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.mkdir(`${folder}/mine`);
    {
      using _made = ResultDir.create(`${folder}/mine`);
    }
    assert.deepEqual(namesIn(folder), ["mine"]);
  }));

test("ResultDir.create() refuses folders with files, files, and places below a file", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "mine");
    for (const path of [folder, `${folder}/file`, `${folder}/file/below`]) {
      assert.throws(
        () => ResultDir.create(path),
        (error) =>
          error instanceof UserError && /choose another one with --out/.test(error.message),
        path,
      );
    }
    assert.deepEqual(namesIn(folder), ["file"]);
  }));

test("ResultDir.createFor() takes a folder with other files, replaces its own only by force", () =>
  inTemporaryFolder(async (folder) => {
    const names = ["a.npy", "b.npy"];
    await Deno.writeTextFile(`${folder}/mine`, "mine");
    {
      using made = ResultDir.createFor(folder, names, false);
      made.write("b.npy", "first");
    }
    assert.throws(
      () => ResultDir.createFor(`${folder}/`, names, false),
      (error) =>
        error instanceof UserError && error.code === "out-exists" &&
        error.message.startsWith(`there is a file ${folder}/b.npy already; `),
    );
    {
      using made = ResultDir.createFor(folder, names, true);
      made.write("b.npy", "second");
    }
    assert.equal(await Deno.readTextFile(`${folder}/b.npy`), "second");
    assert.throws(() => ResultDir.createFor(`${folder}/mine`, names, true), UserError);
    {
      using _made = ResultDir.createFor(`${folder}/new`, names, false);
    }
    assert.deepEqual(namesIn(folder), ["b.npy", "mine"]);
  }));

test("ResultDir.createStamped() gives every caller a folder of its own", () =>
  inTemporaryFolder((folder) => {
    const now = new Date("2026-01-31T23:59:59Z");
    using first = ResultDir.createStamped("sine-1", now, `${folder}/runs`);
    using second = ResultDir.createStamped("sine-1", now, `${folder}/runs`);
    assert.equal(first.path, `${folder}/runs/sine-1-20260131-235959`);
    // the first has nothing in it yet
    assert.equal(second.path, `${first.path}-2`);
    return Promise.resolve();
  }));
