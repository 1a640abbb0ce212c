/** The version of metarl, from its manifest. */
import manifest from "../../deno.json" with { type: "json" };

/** Semantic version. */
export const VERSION: string = manifest.version;
