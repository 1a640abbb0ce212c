/** The four pictures of the tests, of made-up data: what commands draw, in small. */
import { type ArmPanel, GRAY, type LineChartSpec, type Place } from "../../src/plot/mod.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Ten training sinusoids, the prediction before and after adapting to three points, the truth. */
export function sineSpec(): LineChartSpec {
  const x = range(101).map((i) => -5 + i / 10);
  const wave = (amplitude: number, phase: number) =>
    x.map((at) => amplitude * Math.sin(at + phase));
  return {
    title: "A new sinusoid from 3 points",
    x: { label: "x" },
    y: { label: "y" },
    series: [
      ...range(10).map((i) => ({
        name: "training tasks",
        ...{ x, y: wave(1 + 0.4 * i, 0.3 * i), color: GRAY, faint: true },
      })),
      { name: "truth", x, y: wave(2.5, 1), color: "#222222" },
      { name: "before adaptation", x, y: wave(2, 0.4), dashed: true },
      { name: "after adaptation", x, y: wave(2.4, 0.95), thick: true },
    ],
    points: [{
      name: "given points",
      x: [-3, 0.5, 2],
      y: [-3, 0.5, 2].map((at) => 2.5 * Math.sin(at + 1)),
    }],
  };
}

const METHODS = ["FAMLE", "one embedding (MAML)", "from scratch (MBRL)", "healthy arm"];

/** Reward per episode of four methods with 95 % bands, and a reference line. */
export function rewardSpec(): LineChartSpec {
  const x = range(20).map((i) => i + 1);
  return {
    title: "Reward per episode after damage to joint 3",
    x: { label: "episode", integer: true },
    y: { label: "reward per episode" },
    names: "ends",
    series: METHODS.map((name, m) => {
      const y = x.map((at) => -12 - 30 * Math.exp(-at / (1 + 2 * m)) * (m < 3 ? 1 : 0));
      const half = x.map((at) => 1 + 4 / at);
      return {
        ...{ name, x, y },
        low: y.map((mean, i) => mean - half[i]),
        high: y.map((mean, i) => mean + half[i]),
      };
    }),
    references: [{ y: -13.5, label: "90 % of healthy" }],
  };
}

/** An arm of five joints whose angles grow evenly over five snapshots. */
export function armPanels(): ArmPanel[] {
  return ["healthy", "damaged, before adaptation", "damaged, adapted"].map((label, p) => {
    const snapshots = range(6).map((s) => {
      let [x, y, angle] = [0, 0, 0];
      const joints: Place[] = [[0, 0]];
      for (const joint of range(5)) {
        angle += (p === 1 && joint === 2 ? -1 : 1) * s * (0.08 + 0.02 * joint);
        x += 0.2 * Math.cos(angle);
        y += 0.2 * Math.sin(angle);
        joints.push([x, y]);
      }
      return joints;
    });
    const goal = { at: [0.1, 0.62] as const, radius: 0.05 };
    return { label, snapshots, goal, damagedJoints: p > 0 ? [2] : [] };
  });
}

/** Episodes to recover by number of embeddings, for two kinds of damage. */
export function ablationRows() {
  return [1, 2, 4, 8, 11].flatMap((count, i) =>
    ["published damage", "random damage"].map((group, g) => {
      const mean = 14 / (1 + 0.6 * i) + 2 * g;
      return { category: `${count}`, group, mean, low: mean - 1.5 + 0.2 * i, high: mean + 1.8 };
    })
  );
}
