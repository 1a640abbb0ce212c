/** The two lines above a picture: how large they are, and what of a text has room. */

/** Size of captions for the size of a picture, px. */
export function captionSize(width: number, height: number): number {
  return Math.max(9, Math.min(Math.round(height / 19), Math.round(width / 31)));
}

/**
 * The text, or as much of its beginning as has room, with an ellipsis; "" where that has none.
 *
 * @param room px
 * @param widthOf a text, px
 */
export function shortened(text: string, room: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= room) return text;
  for (let kept = text.slice(0, -1); kept !== ""; kept = kept.slice(0, -1)) {
    const cut = `${kept.trimEnd()}…`;
    if (widthOf(cut) <= room) return cut;
  }
  return "";
}

/** A return with so many digits that the number says something. */
export function returnText(value: number): string {
  const size = Math.abs(value);
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** What a take has earned: `return −27.9`, or the number alone where that has no room. */
export function earnedText(
  value: number,
  room: number,
  widthOf: (text: string) => number,
): string {
  const text = `return ${returnText(value)}`;
  return widthOf(text) <= room ? text : returnText(value);
}
