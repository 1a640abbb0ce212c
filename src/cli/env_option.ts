/** `--env` of the commands that look at runs: names a module whose code may run. */

/** Says that the user named this file, where one was given. */
export async function allowEnvModule(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  // --help has no use for environments
  const { nameEnvModule } = await import("../envs/registry.ts");
  nameEnvModule(path);
}
