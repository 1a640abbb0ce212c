/**
 * The fixtures of this project (tests/golden, 0.8 MB), part of the program, so that it can be
 * checked wherever it is.
 */
import adam from "../../tests/golden/adam.json" with { type: "json" };
import distributions from "../../tests/golden/distributions.json" with { type: "json" };
import encoder from "../../tests/golden/encoder.json" with { type: "json" };
import famle from "../../tests/golden/famle.json" with { type: "json" };
import mmamlGammaBetaMeta from "../../tests/golden/mmaml_gamma_beta_meta.json" with {
  type: "json",
};
import mmamlGammaMeta from "../../tests/golden/mmaml_gamma_meta.json" with { type: "json" };
import physicsAnt from "../../tests/golden/physics_ant.json" with { type: "json" };
import physicsHalfCheetah from "../../tests/golden/physics_half_cheetah.json" with { type: "json" };
import physicsHopper from "../../tests/golden/physics_hopper.json" with { type: "json" };
import physicsHumanoid from "../../tests/golden/physics_humanoid.json" with { type: "json" };
import physicsReacher from "../../tests/golden/physics_reacher.json" with { type: "json" };
import physicsReacher3link from "../../tests/golden/physics_reacher_3link.json" with {
  type: "json",
};
import physicsSwimmer from "../../tests/golden/physics_swimmer.json" with { type: "json" };
import physicsWalker2d from "../../tests/golden/physics_walker2d.json" with { type: "json" };
import pointEnv from "../../tests/golden/point_env.json" with { type: "json" };
import prompMeta from "../../tests/golden/promp_meta.json" with { type: "json" };
import sampleProcessing from "../../tests/golden/sample_processing.json" with { type: "json" };
import { type Fixture, fixtureOf } from "./fixture.ts";

/** Contents by name. */
const CONTENTS: Readonly<Record<string, unknown>> = {
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
  return Object.entries(CONTENTS).map(([name, content]) =>
    fixtureOf(name, content, `${name}.json`)
  );
}
