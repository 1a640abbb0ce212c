/**
 * What every page has inside: the style sheet and the script. Imported as bytes, so that no file is
 * read at run time: a bundle and a compiled program carry both.
 */
import pageScript from "./page_script.js" with { type: "bytes" };
import styleSheet from "./style.css" with { type: "bytes" };

/** Style sheet and script, as texts. */
export function pageAssets(): { readonly style: string; readonly script: string } {
  const decoder = new TextDecoder();
  return { style: decoder.decode(styleSheet), script: decoder.decode(pageScript) };
}
