/**
 * Any description of an environment and any MJCF: read, or refused in one line; nothing outside of
 * the environment's folder is read, and no small file makes a huge model.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describedDefinition } from "../../src/envs/custom/described_env.ts";
import { parseDescription } from "../../src/envs/custom/description.ts";
import { type Files, readMjcf } from "../../src/envs/custom/files.ts";
import { ModelSize, xmlElements } from "../../src/envs/custom/mjcf_text.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import { Model } from "../../src/envs/mujoco/model.ts";
import { liveHandles } from "../../src/envs/mujoco/runtime.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { UserError } from "../../src/util/errors.ts";
import { testNeeding } from "../permissions.ts";
import { brokenText, effort, laterOutcome, outcome, wildText } from "./support.ts";

const test = testNeeding("read", "write");

const MJCF = `<mujoco model="point">
  <option timestep="0.01" gravity="0 0 0"/>
  <size memory="100K"/>
  <worldbody>
    <body name="point">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="hinge" axis="0 1 0"/>
      <geom name="ball" type="sphere" size="0.1" mass="1" contype="0" conaffinity="0"/>
      <site name="tip" pos="1 0 0"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="push" joint="x" ctrlrange="-2 2" ctrllimited="true"/>
    <motor joint="y" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
</mujoco>`;

const REPLICATE = `<mujoco><worldbody>
  <replicate count="3" offset="1 0 0"><geom size="0.1"/></replicate>
  <body name="b"><freejoint/><geom type="box" size="1 1 1"/></body>
</worldbody></mujoco>`;

const DESCRIPTION = {
  description: "a point",
  model: "point.xml",
  frame_skip: 1,
  max_path_length: 10,
  quantities: { tip: { site: "tip", axes: "xy" }, place: { qpos: [0, 2] } },
  task: {
    goal: { distribution: "box", low: [-1, -2], high: [1, 2] },
    mode: { distribution: "modes", modes: [[1], [2]], noise: 0.1 },
  },
  observation: ["place", "goal", "tip", { name: "far", value: "norm(place)" }],
  reward: { goal: "-distance(tip, goal)", ctrl: { value: "-0.5 * sumsq(action)", unit: "1" } },
  reset: { noise: "normal", qpos: 0.1, qvel: [0.1, 0.2] },
  terminate: "place_0 > 5",
};

/** The description with values at some places replaced. */
const descriptions = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...["model", "frame_skip", "max_path_length", "quantities", "quantities.tip", "task"],
      ...["quantities.tip.axes", "quantities.place.qpos", "task.goal", "task.goal.low", "reward"],
      ...["task.goal.distribution", "task.mode.modes", "task.mode.noise", "observation", "reset"],
      ...["observation.3.value", "observation.0", "reward.goal", "reward.ctrl.value", "reset.qpos"],
      ...["terminate", "name", "description", "quantities.x", "task.y", "reward.z", "__proto__"],
    ),
    fc.oneof(
      fc.constantFrom<unknown>(
        ...[null, 0, 1, -1, 1e308, 2 ** 53, 1.5, "", "x", "tip", "norm(tip)", "1/0", [], {}],
        ...[[0, 1], [1, 0], [0, 2 ** 40], [[1], [2, 3]], [[]], [1e308], { site: "tip" }],
        ...[{ body: "point" }, { joint: "y" }, { qvel: [0, 2] }, { value: "1" }, ["tip", "tip"]],
        ...[{ distribution: "disc", radius: 1e308 }, { distribution: "normal", mean: [0], std: 0 }],
      ),
      wildText,
      fc.jsonValue({ maxDepth: 2 }),
    ),
  ),
  { maxLength: 3 },
).map((changes) => {
  const description: Record<string, unknown> = structuredClone(DESCRIPTION);
  for (const [place, value] of changes) {
    const path = place.split(".");
    let inner = description;
    for (const key of path.slice(0, -1)) {
      const next = inner[key];
      if (next === null || typeof next !== "object") break;
      inner = next as Record<string, unknown>;
    }
    Object.defineProperty(inner, path.at(-1)!, {
      value: structuredClone(value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return JSON.stringify(description);
});

test("a description gives an environment as its tables say, or one line", async () => {
  const model = await Model.compile("point.xml", MJCF);
  const random = new KeyedRandom(1);
  let built = 0;
  const named = { modelFile: "point.xml", model, version: "1", name: "point" };
  const texts = fc.oneof(
    { weight: 4, arbitrary: descriptions },
    { weight: 1, arbitrary: brokenText([JSON.stringify(DESCRIPTION, null, 1)]) },
  );
  try {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const found = await laterOutcome(async () => {
          const description = parseDescription(text, "env.json");
          const factory = describedDefinition("env.json", description, named).configure({});
          const env = await factory.createInstance();
          try {
            const { spec } = factory;
            const { rows } = factory.sampleTasks(random, 0, 2);
            assert.equal(rows.length, 2 * spec.taskDim);
            env.setTask(rows.subarray(0, spec.taskDim));
            env.reset(random.at(Purpose.ENV_RESET, 0, 0));
            env.step(new Float64Array(spec.actDim));
            assert.equal(env.obs.length, spec.obsDim);
            assert.equal(env.rewardParts.length, spec.rewardParts.length);
            assert.equal(typeof env.terminated, "boolean");
            const names = spec.observation.map(({ name }) => name);
            assert.equal(new Set(names).size, names.length);
          } finally {
            env.close();
          }
          return description;
        });
        if ("value" in found) built++;
        else assert.match(found.error.message, /^env\.json|point\.xml/);
      }),
      {
        ...effort(),
        // control steps of 2^53 physics steps
        examples: [[JSON.stringify({ ...DESCRIPTION, frame_skip: 2 ** 53 - 1 })]],
      },
    );
  } finally {
    model.close();
  }
  assert.ok(built > 0);
});

/** MJCF made of elements that fit and ones that don't. */
const models = fc.oneof(
  { weight: 3, arbitrary: brokenText([MJCF, REPLICATE]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.constantFrom(
        ...["<body>", "</body>", '<body name="a">', '<geom size="0.1"/>', "<freejoint/>", "<!--"],
        ...["-->", "<![CDATA[", "]]>", '<geom type="mesh" mesh="m"/>', '<site name="s"/>', "<x/>"],
        ...['<replicate count="2">', '<replicate count="1000000000">', "</replicate>", "<frame>"],
        ...["</frame>", '<joint type="ball"/>', '<geom size="nan"/>', '<geom size="1e300"/>'],
        ...[
          '<geom type="plane" size="1 1 1"/>',
          '<camera name="c"/>',
          "<light/>",
          '<geom size="0"/>',
        ],
        ...['<include file="a.xml"/>', '<geom pos="1 2" size="1"/>', '<geom size="1" mass="-1"/>'],
        '<composite type="cable" count="100000 1 1" curve="s" size="1"><geom size=".1"/></composite>',
        '<flexcomp name="f" type="grid" count="99 99 99" spacing="1 1 1" dim="3"/>',
      ),
      { maxLength: 12 },
    ).map((parts) => `<mujoco><worldbody>${parts.join("")}</worldbody></mujoco>`),
  },
);

test("any MJCF is compiled or refused in one line", async () => {
  const before = { ...liveHandles };
  let compiled = 0;
  await fc.assert(
    fc.asyncProperty(models, async (mjcf) => {
      const found = await laterOutcome(async () => {
        const size = new ModelSize("m.xml");
        for (const element of xmlElements(mjcf, 1)) size.add(element);
        const model = await Model.compile("m.xml", mjcf);
        try {
          const sizes = [model.handle.nq, model.handle.nv, model.handle.nu, model.handle.ngeom];
          assert.ok(sizes.every((n: number) => n >= 0 && n < 1e4));
          return ["body", "joint", "geom", "site", "actuator"].map((kind) =>
            model.names(kind as "body").length
          );
        } finally {
          model.close();
        }
      });
      if ("value" in found) compiled++;
      else assert.ok(found.error instanceof UserError && found.error.code === "mjcf");
    }),
    { ...effort(), examples: [[MJCF], [REPLICATE]] },
  );
  assert.ok(compiled > 2);
  assert.deepEqual(liveHandles, before);
});

test("no small MJCF asks for a huge model", () => {
  const world = (inner: string) => `<mujoco><worldbody>${inner}</worldbody></mujoco>`;
  const geom = '<geom size="0.1"/>';
  const check = (text: string) =>
    outcome(() => {
      const size = new ModelSize("m.xml");
      for (const element of xmlElements(text, 1)) size.add(element);
    });
  assert.ok("value" in check(world(`<replicate count="100">${geom}</replicate>`)));
  const inside = (count: string, inner: string) =>
    `<replicate count='${count}'>${inner}</replicate>`;
  const large: readonly string[] = [
    world(inside("5000", geom)),
    world(inside("100", inside("100", geom))),
    // what ends a copied element may be hidden
    ...[
      "<!-- > </replicate> -->",
      "<![CDATA[> </replicate>]]>",
      "<!x </replicate>",
      "<?x > </replicate>?>",
    ]
      .map((hidden) => world(inside("100", `${hidden}${geom.repeat(60)}`))),
    world('<replicate count="1000000000"></replicate>'),
    world('<composite type="cable" count="10000 1 1"/>'),
    world('<flexcomp count="99 99 99"/>'),
    world(geom.repeat(5000)),
    '<mujoco><asset><hfield nrow="30000" ncol="30000"/></asset></mujoco>',
    '<mujoco><asset><texture width="20000" height="20000"/></asset></mujoco>',
    '<mujoco><size nkey="2000000000"/></mujoco>',
    '<mujoco><size nuser_geom="2e9"/></mujoco>',
    '<mujoco><custom><numeric size="1000000000"/></custom></mujoco>',
  ];
  for (const text of large) {
    const found = check(text);
    assert.ok("error" in found, text);
    assert.match(found.error.message, /^Cannot compile m\.xml: /);
  }
  // beginnings without an end: a search for it from each of them would take minutes
  for (
    const start of ["<!--", "<a ", "<a b='", '<include file="', "<![CDATA[", "<", "<a b=\"x' "]
  ) {
    for (const end of ["", ">", "/>", '"', "-->"]) outcome(() => check(start.repeat(2e5) + end));
  }
});

test("nothing outside of an environment's folder is read", async () => {
  const top = Deno.realPathSync(await Deno.makeTempDir());
  const root = `${top}/env`;
  try {
    Deno.mkdirSync(`${root}/parts/deep`, { recursive: true });
    const secret = "<mujocoinclude><!-- secret --></mujocoinclude>";
    for (const path of [`${top}/secret.xml`, `${root}/parts/a.xml`, `${root}/b.xml`]) {
      Deno.writeTextFileSync(path, secret);
    }
    Deno.symlinkSync(`${top}/secret.xml`, `${root}/link.xml`);
    Deno.symlinkSync(top, `${root}/up`);
    Deno.symlinkSync("../b.xml", `${root}/parts/inside.xml`);
    new Deno.Command("mkfifo", { args: [`${root}/pipe`] }).outputSync();
    const names = fc.oneof(
      fc.array(
        fc.constantFrom("..", "parts", "a.xml", "b.xml", "up", "secret.xml", "link.xml", "."),
        {
          minLength: 1,
          maxLength: 4,
        },
      ).map((parts) => parts.join("/")),
      fc.constantFrom(
        `${top}/secret.xml`,
        "/etc/passwd",
        "pipe",
        "parts",
        "parts/inside.xml",
        "\0",
      ),
      fc.constantFrom(
        "constructor",
        "__proto__",
        "..\\secret.xml",
        "/dev/zero",
        "/proc/self/environ",
      ),
      wildText.filter((text) => !/["<&]/.test(text)),
    );
    const kinds = fc.constantFrom("include", "mesh", "hfield", "texture", "skin");
    const folders = fc.option(names, { nil: undefined });
    let read = 0;
    fc.assert(
      fc.property(names, kinds, folders, fc.boolean(), (name, kind, folder, isModel) => {
        const option = folder === undefined ? "" : `<compiler meshdir="${folder}" assetdir=".."/>`;
        Deno.writeTextFileSync(
          `${root}/point.xml`,
          `<mujoco>${option}<asset><${kind} file="${name}"/></asset></mujoco>`,
        );
        const files: Files = new Map();
        const model = isModel ? `${root}/${name}` : `${root}/point.xml`;
        outcome(() => readMjcf(model, root, files, "env.json"));
        for (const path of files.keys()) {
          assert.ok(Deno.realPathSync(path).startsWith(`${root}/`), path);
          read++;
        }
      }),
      {
        ...effort(),
        examples: [["constructor", "include", undefined, false], [
          "pipe",
          "mesh",
          undefined,
          false,
        ]],
      },
    );
    assert.ok(read > 0);

    // the whole way, from the description
    const description = (model: string) => {
      Deno.writeTextFileSync(`${root}/env.json`, JSON.stringify({ ...DESCRIPTION, model }));
      return laterOutcome(() => loadEnv(`${root}/env.json`));
    };
    for (const model of ["../secret.xml", "link.xml", "up/secret.xml", `parts/../../secret.xml`]) {
      const found = await description(model);
      assert.ok("error" in found, model);
      assert.match(found.error.message, /is outside of the environment's folder/);
    }
    Deno.writeTextFileSync(`${root}/point.xml`, MJCF);
    assert.ok("value" in await description("point.xml"));
  } finally {
    await Deno.remove(top, { recursive: true });
  }
});
