/**
 * A report as one HTML file that needs nothing else: texts and tables as HTML, the charts as data,
 * Observable Plot and the script that draws them inside of it. Its Content-Security-Policy lets
 * only that script run and nothing be loaded, whatever names and notes of a run contain.
 */
import { escapeHtml } from "../util/html.ts";
import type { Block, Chart, ChartBlock, Report, Section, TableBlock } from "./model.ts";

/** JSON that can stand in a script element: it has no `<`, so nothing in it ends the element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** Cells that are longer than this may break into lines. */
const LONG_CELL = 28;

function cell(name: "th" | "td", text: string, attributes = ""): string {
  const long = text.length > LONG_CELL ? ' class="long"' : "";
  return `<${name}${attributes}${long}>${escapeHtml(text)}</${name}>`;
}

function tableHtml({ caption, head, rows, folded }: TableBlock): string {
  const body = rows.map(([first, ...others]) =>
    `<tr>${cell("th", first, ' scope="row"')}${
      others.map((text) => cell("td", text)).join("")
    }</tr>`
  );
  const table = (caption === undefined ? "" : `<p class="caption">${escapeHtml(caption)}</p>`) +
    '<div class="scroll"><table>' +
    `<thead><tr>${head.map((text) => cell("th", text, ' scope="col"')).join("")}</tr></thead>` +
    `<tbody>${body.join("\n")}</tbody></table></div>`;
  return folded === undefined
    ? table
    : `<details><summary>${escapeHtml(folded)}</summary>${table}</details>`;
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case "text":
      return `<p>${escapeHtml(block.text)}</p>`;
    case "heading":
      return `<h3>${escapeHtml(block.text)}</h3>`;
    case "list":
      return `<ul>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("\n")}</ul>`;
    case "table":
      return tableHtml(block);
    case "chart":
      return `<figure data-chart="${escapeHtml(block.id)}"><div class="place"></div>` +
        `<figcaption>${escapeHtml(block.caption)}</figcaption></figure>`;
  }
}

function sectionHtml({ id, title, blocks }: Section): string {
  return `<section id="${escapeHtml(id)}"><h2>${escapeHtml(title)}</h2>\n` +
    `${blocks.map(blockHtml).join("\n")}\n</section>`;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/**
 * The page.
 *
 * @param version of metarl, for the last line
 */
export async function reportHtml(report: Report, version: string): Promise<string> {
  const { pageAssets } = await import("./page_assets.ts");
  const { style, script } = pageAssets();
  const charts: Record<string, Chart> = Object.fromEntries(
    report.sections.flatMap(({ blocks }) => blocks)
      .filter((block): block is ChartBlock => block.kind === "chart")
      .map(({ id, chart }) => [id, chart]),
  );
  const policy = `default-src 'none'; script-src 'sha256-${await sha256(script)}'; ` +
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  const contents = report.sections.map(({ id, title }) =>
    `<a href="#${escapeHtml(id)}">${escapeHtml(title)}</a>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(report.title)}</title>
<style>${style}</style>
</head>
<body>
<header><div><h1>${escapeHtml(report.title)}</h1><p>${escapeHtml(report.subtitle)}</p></div>
<button id="theme" type="button" title="switch between light and dark">light / dark</button></header>
<main>
<nav>${contents.join("\n")}</nav>
<noscript><p>The charts are drawn by a script inside of this file; scripts are switched off.</p></noscript>
${report.sections.map(sectionHtml).join("\n")}
</main>
<footer>Written by metarl ${
    escapeHtml(version)
  }. Charts: Observable Plot and D3; their licences are in the source of this page.</footer>
<script type="application/json" id="charts">${scriptJson(charts)}</script>
<script>${script}</script>
</body>
</html>
`;
}
