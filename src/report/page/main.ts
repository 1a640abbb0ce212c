/**
 * The script of a report's page: draws the charts into their places, again when the page gets
 * another width; legends whose entries are switches; the button for dark and light.
 *
 * `deno task build:page` bundles it with Observable Plot to `page_script.js`.
 */
import type { Chart } from "../model.ts";
import { browser, element, type PageElement } from "./dom.ts";
import { draw, legendOf } from "./draw.ts";

const { document } = browser;

/** One chart in its place. */
class ChartPlace {
  readonly #chart: Chart;
  readonly #plot: PageElement;
  readonly #legend: PageElement;
  readonly #hidden = new Set<string>();
  #variant = 0;
  #width = 0;

  constructor(figure: PageElement, chart: Chart) {
    this.#chart = chart;
    this.#plot = element("div", "plot");
    this.#legend = element("div", "legend");
    const place = figure.querySelector(".place")!;
    if ("variants" in chart && chart.variants.length > 1) {
      place.append(this.#choice(chart.variants.map(({ label }) => label)));
    }
    place.append(this.#legend, this.#plot);
    this.#drawLegend();
    new browser.ResizeObserver(() => this.#fit()).observe(this.#plot);
    this.#fit();
  }

  #choice(labels: readonly string[]): PageElement {
    const select = document.createElement("select");
    select.setAttribute("aria-label", "what is shown");
    select.append(...labels.map((label) => element("option", "", label)));
    select.addEventListener("change", () => {
      this.#variant = select.selectedIndex;
      this.#drawLegend();
      this.#draw();
    });
    return select;
  }

  #drawLegend(): void {
    const entries = legendOf(this.#chart, { variant: this.#variant, hidden: this.#hidden });
    this.#legend.replaceChildren(...entries.map(({ name, color, dashed }) => {
      const swatch = element("i", dashed ? "dashed" : "");
      swatch.style.setProperty("--color", color);
      const button = element("button", "", swatch, name);
      button.setAttribute("type", "button");
      button.setAttribute("aria-pressed", String(!this.#hidden.has(name)));
      button.addEventListener("click", () => {
        if (!this.#hidden.delete(name)) this.#hidden.add(name);
        button.setAttribute("aria-pressed", String(!this.#hidden.has(name)));
        this.#draw();
      });
      return button;
    }));
  }

  /** Draws again where the width has changed: drawing changes the height, which is told too. */
  #fit(): void {
    const width = this.#plot.clientWidth;
    if (width === this.#width || width === 0) return;
    this.#width = width;
    this.#draw();
  }

  #draw(): void {
    const view = { variant: this.#variant, hidden: this.#hidden };
    this.#plot.replaceChildren(...draw(this.#chart, view, this.#width));
  }
}

function switchTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme === undefined
    ? browser.matchMedia("(prefers-color-scheme: dark)").matches
    : root.dataset.theme === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
}

const charts: Record<string, Chart> = JSON.parse(document.getElementById("charts")!.textContent!);
for (const figure of document.querySelectorAll("figure[data-chart]")) {
  new ChartPlace(figure, charts[figure.dataset.chart!]);
}
document.getElementById("theme")!.addEventListener("click", switchTheme);
