/**
 * The JSON description of an environment of one's own (docs/environments.md): what may stand in
 * it, and messages about what may not. Names that belong to the model, and expressions, are
 * checked where the model is known (`described_env.ts`).
 */
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { parseJsonText } from "../../util/json.ts";
import { didYouMean } from "../../util/nearest.ts";

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** Most physics steps per control step, and control steps per episode: beyond them is no end. */
const [MOST_FRAMES, MOST_STEPS] = [10_000, 100_000];

const name = z.string().regex(NAME, "must be a name of letters, digits and _");
const text = z.string().min(1);
const finite = z.number();
const size = z.number().int().min(1);
const range = z.tuple([z.number().int().min(0), size]);
const point = z.array(finite).min(1);
const spread = z.union([z.number().min(0), z.array(z.number().min(0)).min(1)], {
  error: "must be a number of at least 0, or a list of them",
});

/** What a quantity is read from: one of these keys. */
const SOURCES = ["site", "body", "joint", "joint_velocity", "qpos", "qvel"] as const;

const quantity = z.strictObject({
  site: text.optional(),
  body: text.optional(),
  joint: text.optional(),
  joint_velocity: text.optional(),
  qpos: range.optional(),
  qvel: range.optional(),
  axes: z.string().regex(/^(x?y?z?)$/, 'must be some of "xyz", in this order').min(1).optional(),
}).refine((value) => SOURCES.filter((key) => value[key] !== undefined).length === 1, {
  error: `must have exactly one of ${SOURCES.join(", ")}`,
}).refine(
  ({ axes, site, body }) => axes === undefined || site !== undefined || body !== undefined,
  { error: "belongs to a site or a body", path: ["axes"] },
);

const about = { unit: text.optional(), meaning: text.optional() };

const distributions = {
  box: z.strictObject({ distribution: z.literal("box"), low: point, high: point, ...about }),
  disc: z.strictObject({
    distribution: z.literal("disc"),
    radius: z.number().gt(0),
    center: z.tuple([finite, finite]).optional(),
    ...about,
  }),
  normal: z.strictObject({
    distribution: z.literal("normal"),
    mean: point,
    std: spread,
    ...about,
  }),
  modes: z.strictObject({
    distribution: z.literal("modes"),
    modes: z.array(point).min(1),
    noise: spread.optional(),
    order: z.enum(["uniform", "in turn"]).optional(),
    ...about,
  }),
};

const task = z.discriminatedUnion("distribution", [
  distributions.box,
  distributions.disc,
  distributions.normal,
  distributions.modes,
]);

const observed = z.strictObject({
  name,
  value: text,
  low: finite.optional(),
  high: finite.optional(),
  ...about,
});

const rewardPart = z.union([
  text.transform((value) => ({ value, unit: undefined, meaning: undefined })),
  z.strictObject({ value: text, ...about }),
], { error: 'must be an expression, or an object with one as "value"' });

const reset = z.strictObject({
  noise: z.enum(["uniform", "normal"]).optional(),
  qpos: spread.optional(),
  qvel: spread.optional(),
});

const description = z.strictObject({
  $schema: z.string().optional(),
  name: name.optional(),
  description: text,
  model: text,
  frame_skip: size.max(MOST_FRAMES),
  max_path_length: size.max(MOST_STEPS),
  quantities: z.record(name, quantity).optional(),
  task: z.record(name, task),
  observation: z.array(z.union([text, observed], {
    error: "must be the name of a quantity, or an object with name and value",
  })).min(1),
  reward: z.record(name, rewardPart),
  reset: reset.optional(),
  terminate: text.optional(),
});

/** A description whose form is right. */
export type Description = z.output<typeof description>;
/** Where a quantity is read from. */
export type QuantitySource = z.output<typeof quantity>;
/** How a part of the task is drawn. */
export type TaskPart = z.output<typeof task>;
/** How episodes begin. */
export type ResetNoise = z.output<typeof reset>;

/** Keys that are known at a place; `*` stands for a name or an index. */
const KEYS: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], Object.keys(description.shape)],
  [["quantities", "*"], Object.keys(quantity.shape)],
  [["task", "*"], [...new Set(Object.values(distributions).flatMap((d) => Object.keys(d.shape)))]],
  [["observation", "*"], Object.keys(observed.shape)],
  [["reward", "*"], ["value", ...Object.keys(about)]],
  [["reset"], Object.keys(reset.shape)],
];

type Path = readonly PropertyKey[];

function keysAt(path: Path): readonly string[] {
  return KEYS.find(([place]) =>
    place.length === path.length && place.every((key, i) => key === "*" || key === path[i])
  )?.[1] ?? [];
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? "nothing";
  return shown.length <= 60 ? shown : `${shown.slice(0, 57)}...`;
}

/** zod's names of types, for people. */
const TYPES: Readonly<Record<string, string>> = {
  array: "a list",
  int: "a whole number",
  number: "a number",
  object: "an object",
  record: "an object",
  string: "a text",
  tuple: "a list",
};

/** What the value must be, as zod's issue has it. */
function wanted(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case "too_small":
    case "too_big": {
      const [bound, limit, strict] = issue.code === "too_small"
        ? ["least", issue.minimum, "above"]
        : ["most", issue.maximum, "below"];
      const unit = issue.origin === "array"
        ? " entries"
        : issue.origin === "string"
        ? " letters"
        : "";
      const must = unit === "" ? "be" : "have";
      return `must ${must} ${issue.inclusive ? `at ${bound}` : strict} ${limit}${unit}`;
    }
    case "invalid_value":
      return `must be one of ${issue.values.map(show).join(", ")}`;
    case "invalid_union":
      return issue.discriminator === undefined
        ? issue.message
        : `must be one of ${Object.keys(distributions).map(show).join(", ")}`;
    default:
      return issue.message;
  }
}

/** The first issue, but a mistyped key before the one that is missing for it. */
function foremost(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  return issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
}

/** An issue inside of a union's branch that the value was clearly meant for. */
function innermost(issue: z.core.$ZodIssue, value: unknown): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const given = valueAt(value, issue.path);
  if (given === null || typeof given !== "object" || Array.isArray(given)) return issue;
  const inner = foremost(
    issue.errors.flat().filter(({ code, path }) => code !== "invalid_type" || path.length > 0),
  );
  if (inner === undefined) return issue;
  return innermost({ ...inner, path: [...issue.path, ...inner.path] } as typeof issue, value);
}

function message(outer: z.core.$ZodIssue, value: unknown): string {
  const issue = innermost(outer, value);
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0];
    const place = [...issue.path, key].join(".");
    return `"${place}" is not a known key${didYouMean(key, keysAt(issue.path))}`;
  }
  if (issue.code === "invalid_key") {
    return `"${issue.path.join(".")}" ${issue.issues[0].message}`;
  }
  const given = valueAt(value, issue.path);
  const place = issue.path.length === 0 ? "the description" : `"${issue.path.join(".")}"`;
  if (given === undefined) return `${place} is missing; it ${wanted(issue)}`;
  return `${place} ${wanted(issue)}; got ${show(given)}`;
}

/**
 * Reads a description.
 * @param file as the user knows it; starts every message
 * @throws UserError `json-syntax`, `env-description` with file and key
 */
export function parseDescription(json: string, file: string): Description {
  const value = parseJsonText(json, file);
  const result = description.safeParse(value);
  if (result.success) return result.data;
  throw new UserError(
    "env-description",
    `${file}: ${message(foremost(result.error.issues)!, value)}`,
  );
}
