/* Draws each <monarq-chart> from the table in its figure.  In a shadow root, so that a region which is fetched anew leaves
   the drawing alone; the table is watched, and what has changed in it is drawn anew. */
"use strict";
(() => {
  const HEIGHT = 180;
  const units = {
    s(value) {
      if (value < 1) return `${+(value * 1000).toPrecision(2)} ms`;
      if (value < 120) return `${+value.toPrecision(2)} s`;
      if (value < 7200) return `${Math.round(value / 60)} min`;
      return `${+(value / 3600).toPrecision(2)} h`;
    },
    "%": (value) => `${+value.toPrecision(2)} %`,
    "per minute": (value) => (value < 10 ? String(+value.toPrecision(2)) : Math.round(value).toLocaleString("en")),
  };
  const schemes = matchMedia("(prefers-color-scheme: dark)");

  class Chart extends HTMLElement {
    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.watch = new MutationObserver(() => this.later());
      this.watch.observe(this.parentElement, { subtree: true, childList: true, characterData: true, });
      this.sizes = new ResizeObserver(() => this.resize());
      this.sizes.observe(this);
      this.recolour = () => this.draw();
      schemes.addEventListener("change", this.recolour);
      this.draw();
    }

    disconnectedCallback() {
      this.watch.disconnect();
      this.sizes.disconnect();
      schemes.removeEventListener("change", this.recolour);
      this.plot?.destroy();
      this.plot = null;
    }

    build() {
      const root = this.attachShadow({ mode: "open" });
      for (const href of this.dataset.style.split(" ")) {
        const link = document.createElement("link");
        link.rel = "stylesheet";
        link.href = href;
        root.append(link);
      }
      this.legend = root.appendChild(document.createElement("div"));
      this.legend.className = "legend";
      this.place = root.appendChild(document.createElement("div"));
    }

    later() {
      cancelAnimationFrame(this.waiting);
      this.waiting = requestAnimationFrame(() => this.draw());
    }

    resize() {
      if (this.plot && this.clientWidth) this.plot.setSize({ width: this.clientWidth, height: HEIGHT });
    }

    /* The table, oldest first: times, lines, and where the steps begin that are not whole. */
    read() {
      const table = this.parentElement.querySelector("table");
      const heads = [...table.tHead.rows[0].cells].slice(1);
      const rows = [...table.tBodies[0].rows].reverse();
      const { since, step } = this.dataset;
      const at = rows.map((row) => Number(since) + row.dataset.n * step);
      const lines = heads.map((head, n) => ({
        label: head.dataset.label,
        tone: head.dataset.tone,
        values: rows.map((row) => {
          const value = parseFloat(row.cells[n + 1].textContent);
          return Number.isNaN(value) ? null : value;
        }),
      }));
      const whole = rows.findIndex((row) => row.hasAttribute("data-partial"));
      // a line that is nowhere else than at zero would only hide the axis
      const shown = lines.filter((line, n) => n === 0 || line.values.some((value) => value));
      return { at, lines: shown, whole: whole < 0 ? rows.length : whole };
    }

    /* As a canvas takes it, in the theme of now. */
    colour(css) {
      this.place.style.color = css;
      return getComputedStyle(this.place).color;
    }

    draw() {
      if (!this.clientWidth) return;
      const { at, lines, whole } = this.read();
      const isLog = this.hasAttribute("data-log");
      const floor = (value) => (isLog && value !== null ? Math.max(value, 0.001) : value);
      const series = [{}];
      const data = [at];
      for (const [n, line] of lines.entries()) {
        const stroke = this.colour(`var(--${line.tone})`);
        const fill = n === 0 && !isLog ? this.colour(`color-mix(in srgb, var(--${line.tone}) 10%, transparent)`) : undefined;
        const values = line.values.map(floor);
        const points = { size: 4, fill: stroke, filter: this.lonely };
        series.push({ stroke, fill, width: 1.5, points, spanGaps: false });
        data.push(values.map((value, n) => (n < whole ? value : null)));
        series.push({ stroke, width: 1.5, dash: [3, 3], points });
        data.push(values.map((value, n) => (n >= whole - 1 ? value : null)));
      }
      const limit = this.dataset.limit === undefined ? null : Number(this.dataset.limit);
      if (limit !== null) {
        series.push({ stroke: this.colour("var(--muted)"), width: 1, dash: [6, 4], points: { show: false } });
        data.push(at.map(() => limit));
      }
      this.lines = lines;
      this.at = at;
      this.plot?.destroy();
      this.plot = new uPlot(this.options(series, isLog), data, this.place);
      this.tell(null);
    }

    options(series, isLog) {
      const write = units[this.dataset.unit];
      const axis = { stroke: this.colour("var(--muted)"), grid: { stroke: this.colour("var(--line)"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      return {
        width: this.clientWidth,
        height: HEIGHT,
        series,
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "monarq" } },
        scales: {
          x: { range: () => [Number(this.dataset.since), Number(this.dataset.until)] },
          y: isLog ? { distr: 3, range: this.magnitudes } : { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] },
        },
        axes: [
          { ...axis, size: 26, values: this.times() },
          { ...axis, size: 58, ...(isLog && { splits: this.powers }), values: (_, splits) => splits.map((value) => (value === null ? "" : write(value))) },
        ],
        hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx)] },
      };
    }

    /* A point between two gaps is no line; it is drawn as a dot. */
    lonely(plot, series) {
      const values = plot.data[series];
      return [...values.keys()].filter((n) => values[n] !== null && (values[n - 1] ?? null) === null && (values[n + 1] ?? null) === null);
    }

    magnitudes(_, low, high) {
      if (low === null || high === null) return [0.001, 1];
      const bottom = 10 ** Math.floor(Math.log10(low));
      const top = 10 ** Math.ceil(Math.log10(high));
      return [bottom, top > bottom ? top : bottom * 10];
    }

    powers(_, __, low, high) {
      const splits = [];
      for (let value = low; value <= high * 1.001; value *= 10) splits.push(value);
      return splits;
    }

    times() {
      const span = this.dataset.until - this.dataset.since;
      const isLong = span > 2 * 86400;
      const isShort = span < 6 * 3600;
      const pad = (number) => String(number).padStart(2, "0");
      return (_, splits) =>
        splits.map((seconds) => {
          const date = new Date(seconds * 1000);
          const day = `${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`;
          const time = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
          return isLong ? (time === "00:00" ? day : "") : time === "00:00" && !isShort ? day : time;
        });
    }

    /* Beside the title of each line its number under the cursor, or its last one. */
    tell(at) {
      const write = units[this.dataset.unit];
      const items = this.lines.map((line) => {
        const last = line.values.findLastIndex((value) => value !== null);
        const value = line.values[at ?? last] ?? null;
        const item = document.createElement("span");
        const mark = item.appendChild(document.createElement("i"));
        mark.style.background = `var(--${line.tone})`;
        item.append(`${line.label} `);
        item.appendChild(document.createElement("b")).textContent = value === null ? "–" : write(value);
        return item;
      });
      const when = document.createElement("time");
      if (at !== null && this.at[at]) when.textContent = `${new Date(this.at[at] * 1000).toISOString().slice(5, 16).replace("T", " ")} UTC`;
      if (this.dataset.limit !== undefined) {
        const item = document.createElement("span");
        item.append(`${this.dataset.limitLabel} ${write(Number(this.dataset.limit))}`);
        items.push(item);
      }
      this.legend.replaceChildren(...items, when);
    }
  }

  customElements.define("monarq-chart", Chart);

  /* Sections of numbers that change once a minute; not while nobody sees them, or somebody copies from them. */
  let paused = false;
  const isPaused = () => {
    const state = document.documentElement.dataset.liveState;
    return state ? state === "paused" : paused;
  };
  document.addEventListener("monarq:pause", () => {
    paused = !paused;
  });
  setInterval(() => {
    const selection = getSelection();
    if (document.hidden || isPaused()) return;
    for (const section of document.querySelectorAll("[data-every-minute]")) {
      if (selection.isCollapsed || !selection.containsNode(section, true)) section.dispatchEvent(new Event("refresh"));
    }
  }, 60000);
})();
