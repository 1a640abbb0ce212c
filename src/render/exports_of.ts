/**
 * What a CommonJS package exports: Deno has it as the default export, the bundler that the compiled
 * program is made with has it as named exports.
 *
 * @param namespace of `import * as namespace`
 * @param name of one of the exports
 */
export function exportsOf<T extends object>(namespace: T, name: keyof T): T {
  return name in namespace ? namespace : (namespace as { readonly default: T }).default;
}
