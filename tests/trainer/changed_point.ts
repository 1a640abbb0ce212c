/** The environment of the examples with faults, as a module of one's own. */
import { inTemporaryFolder } from "../cli/metarl_process.ts";

const POINT = new URL("../../examples/point_wind.ts", import.meta.url).href;

/**
 * The example's point, changed: `body` gets the path of a module in which `code` runs after every
 * step of the environment `env`, which was set to the task `task` [2].
 */
export async function withPoint(
  code: string,
  body: (path: string) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/env.ts`;
    Deno.writeTextFileSync(
      path,
      `import point from ${JSON.stringify(POINT)};
      export default {
        configure() {
          const factory = point.configure({});
          return { ...factory, async createInstance() {
            const env = await factory.createInstance();
            let task;
            const [setTask, step] = [env.setTask.bind(env), env.step.bind(env)];
            env.setTask = (row) => { task = [...row]; setTask(row); };
            env.step = (action) => { step(action); ${code}; };
            return env;
          } };
        },
      };`,
    );
    await body(path);
  });
}

/**
 * The same, where every third instance, which is one of a task's 3 rollouts, gives NaN in its fifth
 * step: 4 steps are left of it.
 */
export async function withCutRollouts(body: (path: string) => Promise<void>): Promise<void> {
  await withPoint("if (++env.steps === 5 && env.isLast) env.obs[0] = NaN", async (path) => {
    const text = Deno.readTextFileSync(path)
      .replace(
        "return env;",
        `env.isLast = ++made % 3 === 0;
        const reset = env.reset.bind(env);
        env.reset = (random) => { env.steps = 0; reset(random); };
        return env;`,
      )
      .replace("export default", "let made = 0; export default");
    Deno.writeTextFileSync(path, text);
    await body(path);
  });
}
