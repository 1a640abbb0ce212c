/** Numbers for people. */

/** One decimal from 10 on, more for small numbers; `-` where there is none. */
export function formatReturn(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** `96,240,000` */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** `3.2 s`, `12 min`, `4.5 h` */
export function formatSeconds(seconds: number): string {
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** `1 step`, `2 steps` */
export function stepsText(count: number): string {
  return count === 1 ? "1 step" : `${count} steps`;
}
