import assert from "node:assert/strict";
import { chancePurity, countKinds, kMeans, purity, silhouette } from "../../src/util/clusters.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

const close = (actual: number, wanted: number) =>
  assert.ok(Math.abs(actual - wanted) < 1e-12, `${actual}, wanted ${wanted}`);

Deno.test("silhouette() of four points on a line, worked by hand", () => {
  // 0: a 1, b (4 + 6) / 2;  1: a 1, b (3 + 5) / 2;  4: a 2, b (4 + 3) / 2;  6: a 2, b (6 + 5) / 2
  const wanted = (4 / 5 + 3 / 4 + 1.5 / 3.5 + 3.5 / 5.5) / 4;
  close(silhouette([0, 1, 4, 6], [0, 0, 1, 1]), wanted);
  // in any number of dimensions, under any names of the labels
  close(silhouette([0, 7, 4, 7, 1, 7, 6, 7], [9, 2, 9, 2]), wanted);
});

Deno.test("silhouette() takes the nearest other label, and 0 for a point alone", () => {
  // 0: a 1, b 3 (the label at 3 is nearer than that at 20);  1: a 1, b 2;  3 and 20 are alone
  close(silhouette([0, 1, 3, 20], [0, 0, 1, 2]), (2 / 3 + 1 / 2) / 4);
});

Deno.test("silhouette() is negative for labels that are mixed, 0 where all points are one", () => {
  assert.ok(silhouette([0, 1, 10, 11], [0, 1, 0, 1]) < -0.3);
  close(silhouette([3, 3, 3, 3], [0, 1, 0, 1]), 0);
  assert.throws(() => silhouette([1, 2], [5, 5]), RangeError);
});

Deno.test("kMeans() finds clusters that lie apart, and their spread", () => {
  // within {0, 1}: 2 * 0.25; within {10, 11, 12}: 2 * 1; {20}: 0
  const { labels, spread } = kMeans([0, 10, 1, 20, 11, 12], 6, 3, new KeyedRandom(1));
  close(spread, 2.5);
  assert.equal(labels[0], labels[2]);
  assert.ok(labels[1] === labels[4] && labels[4] === labels[5]);
  assert.equal(countKinds(labels), 3);
});

/** Least spread of all ways to deal points [N, 2] into K clusters. */
function leastSpread(points: Float64Array, count: number, clusters: number): number {
  let least = Infinity;
  for (let way = 0; way < clusters ** count; way++) {
    const members = Array.from({ length: clusters }, (): number[] => []);
    for (let n = 0, rest = way; n < count; n++, rest = Math.floor(rest / clusters)) {
      members[rest % clusters].push(n);
    }
    let spread = 0;
    for (const group of members) {
      for (const c of [0, 1]) {
        const mean = group.reduce((sum, n) => sum + points[2 * n + c], 0) / group.length;
        for (const n of group) spread += (points[2 * n + c] - mean) ** 2;
      }
    }
    least = Math.min(least, spread);
  }
  return least;
}

Deno.test("kMeans() is as tight as the best of all partitions of 8 points", () => {
  const points = new Float64Array(16);
  for (let draw = 0; draw < 5; draw++) {
    new KeyedRandom(draw).at(Purpose.TEST_DATA).fillNormal(points);
    const { spread } = kMeans(points, 8, 3, new KeyedRandom(draw));
    // sums in another order
    assert.ok(Math.abs(spread - leastSpread(points, 8, 3)) < 1e-9, `draw ${draw}`);
  }
});

Deno.test("kMeans() gives the same clusters for the same seed, and copes with equal points", () => {
  const points = new Float64Array(200);
  new KeyedRandom(4).at(Purpose.TEST_DATA).fillNormal(points);
  const first = kMeans(points, 50, 4, new KeyedRandom(7));
  assert.deepEqual(kMeans(points, 50, 4, new KeyedRandom(7).at(Purpose.TASK, 9)), first);
  const same = kMeans([2, 2, 2, 2], 4, 3, new KeyedRandom(1));
  assert.equal(same.spread, 0);
  assert.equal(countKinds(same.labels), 1);
});

Deno.test("purity() of the textbook's example is 12/17", () => {
  // Manning et al., figure 16.4: x x x x x o | x o o o o d | x x d d d
  const clusters = [..."000000111111" + "22222"].map(Number);
  const labels = [..."xxxxxoxooood" + "xxddd"].map((letter) => letter.codePointAt(0)!);
  close(purity(clusters, labels), 12 / 17);
  close(purity(labels, labels), 1);
  close(purity([0, 0, 0, 0], [0, 1, 2, 3]), 1 / 4);
});

Deno.test("chancePurity() is what dealing out labels at random gives", () => {
  // two clusters of two, labels A A B B: 2 of 6 deals are pure, the others have 1/2: 2/3 in the
  // mean, standard deviation of one deal sqrt(1/3 * 2/3) / 2 = 0.24, of the mean of 200 0.017
  const chance = chancePurity([0, 0, 1, 1], [5, 6, 5, 6], new KeyedRandom(1));
  assert.ok(Math.abs(chance - 2 / 3) < 4 * 0.017, `${chance}`);
  assert.equal(chancePurity([0, 0, 1, 1], [5, 6, 5, 6], new KeyedRandom(1)), chance);
});
