/**
 * `metarl complete SHELL`: completion scripts for bash, zsh, fish and PowerShell. The scripts call
 * `metarl complete -- WORDS...`, which proposes commands, options, their values and files.
 */
import type { Command } from "@commander-js/extra-typings";
import { envNames } from "../envs/registry.ts";
import { FAMLE_ENVS } from "./famle/environment.ts";
import tab from "@bomb.sh/tab/commander";

/** Adds the command, after all others: it proposes those that are there. */
export function addCompletion(program: Command): void {
  // extra-typings only narrows commander's types; the object is commander's own
  const root = tab(program as unknown as Parameters<typeof tab>[0]);
  program.commands.find((command) => command.name() === "complete")
    ?.description("print a completion script: bash, zsh, fish or powershell")
    .addHelpText("after", "\nExample:\n  $ source <(metarl complete bash)");
  // the library never falls back to the shell's own file names
  for (const [name, command] of root.commands) {
    const isFamle = name.startsWith("famle ");
    for (const [word, propose] of Object.entries(PROPOSALS)) {
      const famleEnv = isFamle && word === "env";
      for (const place of [command.options.get(word), command.arguments.get(word)]) {
        if (place !== undefined) place.handler = famleEnv ? proposeFamleEnvs : propose;
      }
    }
  }
}

type Complete = (value: string, description: string) => void;

/** What is proposed for arguments and values of options, by their names. */
const PROPOSALS: Readonly<Record<string, (complete: Complete) => void>> = {
  config: (complete) => proposeFiles(".json", complete),
  env: proposeEnvs,
  resume: proposeRuns,
  init: proposeRuns,
  run: proposeRuns,
  model: proposeModels,
  "maml-model": proposeModels,
  data: proposeRuns,
  "data-dir": proposeRuns,
};

function entries(folder: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return []; // not there, or not readable: nothing to propose
  }
}

/** Folders to look into for the word being typed: the one it names, and those in it. */
function searchFolders(): string[] {
  const word = Deno.args.at(-1) ?? "";
  const start = word.slice(0, word.lastIndexOf("/") + 1);
  const inside = entries(start === "" ? "." : start).filter((entry) =>
    entry.isDirectory && !entry.name.startsWith(".")
  );
  return [start, ...inside.map(({ name }) => `${start}${name}/`)];
}

function proposeFiles(ending: string, complete: Complete): void {
  for (const folder of searchFolders()) {
    for (const { name, isFile } of entries(folder === "" ? "." : folder)) {
      if (isFile && name.endsWith(ending)) complete(`${folder}${name}`, "");
    }
  }
}

function proposeEnvs(complete: Complete): void {
  for (const name of envNames()) complete(name, "");
  for (const ending of [".json", ".ts", ".js"]) proposeFiles(ending, complete);
}

function proposeFamleEnvs(complete: Complete): void {
  for (const name of FAMLE_ENVS) complete(name, "");
}

function proposeModels(complete: Complete): void {
  proposeRuns(complete);
  for (const ending of [".safetensors", ".pt"]) proposeFiles(ending, complete);
}

function proposeRuns(complete: Complete): void {
  for (const folder of searchFolders()) {
    for (const { name } of entries(folder === "" ? "." : folder)) {
      if (entries(`${folder}${name}`).some((entry) => entry.name === "params.json")) {
        complete(`${folder}${name}`, "");
      }
    }
  }
}
