/** The part of a browser that the page's script uses; Deno's own types have none of it. */

/** An element of the page. */
export interface PageElement {
  textContent: string | null;
  className: string;
  readonly clientWidth: number;
  readonly dataset: Record<string, string | undefined>;
  readonly style: { setProperty(name: string, value: string): void };
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: PageElement[]): void;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): PageElement | null;
  addEventListener(type: string, listener: () => void): void;
}

/** A choice of the reader. */
export interface PageSelect extends PageElement {
  readonly selectedIndex: number;
}

interface PageDocument {
  readonly documentElement: PageElement;
  createElement(name: "select"): PageSelect;
  createElement(name: string): PageElement;
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

interface Browser {
  readonly document: PageDocument;
  matchMedia(query: string): { readonly matches: boolean };
  readonly ResizeObserver: new (listener: () => void) => { observe(element: PageElement): void };
}

/** The browser. */
export const browser = globalThis as unknown as Browser;

/** A new element with a class and children. */
export function element(
  name: string,
  className: string,
  ...children: (PageElement | string)[]
): PageElement {
  const made = browser.document.createElement(name);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}
