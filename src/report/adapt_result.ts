/** adapt.json of `metarl famle adapt`, checked: another program may have changed it. */
import { z } from "zod";
import { fileErrorReason } from "../run/files.ts";
import { UserError } from "../util/errors.ts";
import { type JsonValue, parseJsonText } from "../util/json.ts";

const METHOD = z.object({
  method: z.string(),
  /** [seeds][episodes] */
  rewards: z.array(z.array(z.number()).min(1)).min(1),
  /** [seeds] */
  damages: z.array(z.string()).default([]),
  /** [seeds][episodes] */
  selected: z.array(z.array(z.number().nullable())).default([]),
  /** [seeds][episodes][situations], empty for a learner without; not in files of 0.1.0 and before */
  likelihoods: z.array(z.array(z.array(z.number()))).default([]),
  episodes_until_90_percent: z.array(z.number().nullable()).nullable().default(null),
  stopped_episodes: z.number().default(0),
  non_finite_sequences: z.number().default(0),
});

const RESULT = z.object({
  type: z.literal("summary"),
  finished: z.boolean().default(true),
  env: z.string(),
  /** Not in files of 0.1.0 and before. */
  env_version: z.union([z.number(), z.string()]).nullable().default(null),
  damage: z.string(),
  seeds: z.array(z.number()),
  healthy_reward: z.number().nullable(),
  methods: z.array(METHOD).min(1),
  fewer_episodes_than: z.array(z.object({
    than: z.string(),
    p: z.number(),
    pairs: z.number().optional(),
  })).default([]),
  seconds: z.number(),
  device: z.string(),
  details: z.string().nullable().default(null),
  online: z.boolean().default(false),
  steps: z.number().nullable().default(null),
  model: z.string().nullable().default(null),
  situations: z.array(z.string()).default([]),
  settings: z.record(z.string(), z.custom<JsonValue>()).default({}),
  machine: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
  metarl_version: z.string().nullable().default(null),
});

/** Results of all methods. */
export type AdaptResult = z.infer<typeof RESULT>;
/** Those of one. */
export type AdaptMethod = AdaptResult["methods"][number];

/**
 * What the file holds.
 *
 * @throws UserError `adapt-unreadable`, `adapt-damaged`, `json-syntax`
 */
export function adaptResultOf(path: string): AdaptResult {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new UserError("adapt-unreadable", `can't read ${path}: ${fileErrorReason(error)}`, {
      cause: error,
    });
  }
  const parsed = RESULT.safeParse(parseJsonText(text, path));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    "adapt-damaged",
    `${path} was not written by famle adapt, or was changed: ${issue.path.join(".")}: ` +
      issue.message,
  );
}
