/**
 * The fixtures of this project (tests/golden, 0.8 MB), imported as text: they are part of the
 * program, so that it can be checked wherever it is.
 */
import adam from "../../tests/golden/adam.json" with { type: "text" };
import distributions from "../../tests/golden/distributions.json" with { type: "text" };
import encoder from "../../tests/golden/encoder.json" with { type: "text" };
import famle from "../../tests/golden/famle.json" with { type: "text" };
import mmamlGammaBetaMeta from "../../tests/golden/mmaml_gamma_beta_meta.json" with {
  type: "text",
};
import mmamlGammaMeta from "../../tests/golden/mmaml_gamma_meta.json" with { type: "text" };
import physicsAnt from "../../tests/golden/physics_ant.json" with { type: "text" };
import physicsHalfCheetah from "../../tests/golden/physics_half_cheetah.json" with { type: "text" };
import physicsHopper from "../../tests/golden/physics_hopper.json" with { type: "text" };
import physicsHumanoid from "../../tests/golden/physics_humanoid.json" with { type: "text" };
import physicsReacher from "../../tests/golden/physics_reacher.json" with { type: "text" };
import physicsReacher3link from "../../tests/golden/physics_reacher_3link.json" with {
  type: "text",
};
import physicsSwimmer from "../../tests/golden/physics_swimmer.json" with { type: "text" };
import physicsWalker2d from "../../tests/golden/physics_walker2d.json" with { type: "text" };
import pointEnv from "../../tests/golden/point_env.json" with { type: "text" };
import prompMeta from "../../tests/golden/promp_meta.json" with { type: "text" };
import sampleProcessing from "../../tests/golden/sample_processing.json" with { type: "text" };
import { type Fixture, parseFixture } from "./fixture.ts";

/** Texts by name. */
const TEXTS: Readonly<Record<string, string>> = {
  adam,
  distributions,
  encoder,
  famle,
  mmaml_gamma_beta_meta: mmamlGammaBetaMeta,
  mmaml_gamma_meta: mmamlGammaMeta,
  physics_ant: physicsAnt,
  physics_half_cheetah: physicsHalfCheetah,
  physics_hopper: physicsHopper,
  physics_humanoid: physicsHumanoid,
  physics_reacher: physicsReacher,
  physics_reacher_3link: physicsReacher3link,
  physics_swimmer: physicsSwimmer,
  physics_walker2d: physicsWalker2d,
  point_env: pointEnv,
  promp_meta: prompMeta,
  sample_processing: sampleProcessing,
};

/** All fixtures of the project, in alphabetical order. */
export function builtinFixtures(): Fixture[] {
  return Object.entries(TEXTS).map(([name, text]) => parseFixture(name, text, `${name}.json`));
}
