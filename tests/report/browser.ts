/**
 * Headless Chromium for tests, spoken to by the DevTools protocol through its standard streams, so
 * that no test needs the network: the browser reads commands from descriptor 3 and answers on 4,
 * which a shell puts in the place of the process's input and output.
 */

/** Names that the program goes by. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

/** Path of a Chromium, `null` where there is none. */
export function findChromium(): string | null {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of PROGRAMS) {
      try {
        if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
      } catch {
        // not in this folder
      }
    }
  }
  return null;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
  readonly params?: Record<string, unknown>;
}

/** Removes what processes that are about to end may still write to. */
async function removeFolder(path: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.remove(path, { recursive: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** A page of a headless Chromium. Owns the process: close it. */
export class Browser {
  /** What the page complained about: exceptions, errors and warnings on its console, policies. */
  readonly complaints: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events = new Map<string, () => void>();
  /** Rejects where the browser ends before it is closed. */
  readonly #ended: Promise<never>;
  readonly #reading: Promise<void>;
  readonly #profile: string;
  #session: string | undefined;
  #lastId = 0;

  private constructor(program: string, profile: string) {
    this.#profile = profile;
    const options = [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"],
      ...[
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
      ],
      ...[`--user-data-dir=${profile}`, "--remote-debugging-pipe"],
    ];
    this.#process = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" "$@" 3<&0 4>&1 >/dev/null </dev/null', program, ...options],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reading = this.#read();
    this.#ended = this.#reading.then(() => {
      throw new Error("the browser has ended");
    });
    // told to whoever waits for an answer, and to nobody else
    this.#ended.catch(() => {});
  }

  /** Starts a browser with one empty page. */
  static async start(program: string): Promise<Browser> {
    const browser = new Browser(program, await Deno.makeTempDir({ prefix: "metarl-chromium-" }));
    try {
      await browser.#openPage();
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  async #openPage(): Promise<void> {
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId, flatten: true });
    this.#session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log"]) await this.#send(`${domain}.enable`);
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (text + chunk).split("\0");
      text = parts.pop()!;
      for (const part of parts) this.#receive(JSON.parse(part));
    }
  }

  #receive(message: Message): void {
    const { id, method, params } = message;
    if (id !== undefined) this.#waiting.get(id)?.(message);
    if (method === undefined) return;
    if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded") {
      this.complaints.push(JSON.stringify(params));
    }
    if (method === "Runtime.consoleAPICalled" && params?.type !== "log") {
      this.complaints.push(JSON.stringify(params));
    }
    this.#events.get(method)?.();
  }

  async #send(method: string, params: unknown = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    const text = JSON.stringify({ id, method, params, sessionId: this.#session });
    await this.#writer.write(new TextEncoder().encode(`${text}\0`));
    const { result, error } = await Promise.race([answer, this.#ended]);
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  /** Size of the page and which colours its reader prefers. */
  async setScreen(width: number, height: number, scheme: "light" | "dark"): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", {
      ...{ width, height, deviceScaleFactor: 1, mobile: width < 600 },
    });
    await this.#send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
  }

  /** Opens a file and waits until it is loaded and drawn. */
  async open(path: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.#events.set("Page.loadEventFired", resolve));
    await this.#send("Page.navigate", { url: `file://${path}` });
    await Promise.race([loaded, this.#ended]);
    await this.settle();
  }

  /** Waits until the page has been drawn twice. */
  async settle(): Promise<void> {
    await this.evaluate(
      "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
    );
  }

  /** Value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      ...{ expression, awaitPromise: true, returnByValue: true },
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value: T }).value;
  }

  /** Moves the mouse to a place of the page. */
  async moveMouse(x: number, y: number): Promise<void> {
    await this.#send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
    await this.settle();
  }

  /** The page, or its part from `top` on, as PNG. */
  async screenshot(top: number, width: number, height: number): Promise<Uint8Array> {
    const { data } = await this.#send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
      clip: { x: 0, y: top, width, height, scale: 1 },
    });
    return Uint8Array.from(atob(String(data)), (character) => character.charCodeAt(0));
  }

  async close(): Promise<void> {
    await this.#send("Browser.close").catch(() => {});
    await this.#process.status;
    await this.#writer.close().catch(() => {});
    await this.#reading.catch(() => {});
    await removeFolder(this.#profile);
  }
}
