/**
 * `deno task schema`: writes configs/metarl.schema.json, the JSON Schema that editors check
 * configuration files with, from the declaration in src/config/schema.ts and the registered
 * environments. `--check` writes nothing and exits with 1 where the tracked file is another one.
 */
import { configJsonSchema } from "../src/config/schema.ts";
import { envNames } from "../src/envs/registry.ts";

/** The tracked file. */
export const SCHEMA_FILE = new URL("../configs/metarl.schema.json", import.meta.url);

/** What the tracked file has to be. */
export function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(envNames()), null, 2)}\n`;
}

if (import.meta.main) {
  const text = schemaText();
  if (!Deno.args.includes("--check")) Deno.writeTextFileSync(SCHEMA_FILE, text);
  else if (Deno.readTextFileSync(SCHEMA_FILE) !== text) {
    console.error("configs/metarl.schema.json is not what is declared; run: deno task schema");
    Deno.exit(1);
  }
}
