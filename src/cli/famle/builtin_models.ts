/**
 * The models that metarl brings along, as bytes inside of the program. How they were made:
 * docs/results.md.
 */
import ant from "../../../models/famle_ant.safetensors" with { type: "bytes" };
import antOneEmbedding from "../../../models/famle_ant_maml.safetensors" with { type: "bytes" };
import reacher from "../../../models/famle_reacher.safetensors" with { type: "bytes" };
import reacherOneEmbedding from "../../../models/famle_reacher_maml.safetensors" with {
  type: "bytes",
};

/** Files by environment: with an embedding per situation, and with one for all. */
export const BUILT_IN: Readonly<
  Record<string, { readonly famle: Uint8Array; readonly maml: Uint8Array }>
> = {
  famle_reacher: { famle: reacher, maml: reacherOneEmbedding },
  famle_ant: { famle: ant, maml: antOneEmbedding },
};
