// The keyboard: one-letter shortcuts, the list of them, and the palette.  What they do can all be done without them.
(() => {
  "use strict";
  const root = document.body.dataset.root;
  const OFF = "monarq:keys-off", MUTED = "monarq:announce-off"; // the second is read by live.js
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const links = () => [...document.querySelectorAll(".side nav a")];
  const rows = () => [...document.querySelectorAll("main tr[data-row]")].filter((row) => row.offsetParent);
  const isSet = (name) => { try { return localStorage.getItem(name) === "yes"; } catch { return false; } };
  const keep = (name, on) => { try { on ? localStorage.setItem(name, "yes") : localStorage.removeItem(name); } catch { /* not kept */ } };

  // Rows: one of them has the focus; j and k move it, as the arrows do once it is there.
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement?.closest?.("tr[data-row]"));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next.tabIndex = -1;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const inRow = (selector) => document.activeElement?.closest?.("tr[data-row]")?.querySelector(selector);
  const go = (selector) => document.querySelector(selector)?.click();

  const SHORTCUTS = {
    "/": ["Search", () => (document.querySelector("main [type=search], main [data-search]") || go("[data-palette]"))?.focus()],
    j: ["Next row", () => move(1)],
    k: ["Row before", () => move(-1)],
    x: ["Tick the row", () => inRow("[type=checkbox]")?.click()],
    o: ["Open the row (or Enter)", () => inRow("a[href]")?.click()],
    "]": ["Next page of the list", () => go(".pager [rel=next]")],
    "[": ["Page before", () => go(".pager [rel=prev]")],
    r: ["Refresh", () => location.reload()],
    p: ["Pause live updates, or go on", () => document.dispatchEvent(new CustomEvent("monarq:pause"))],
    "?": ["This list", () => showKeys()],
  };

  let letterUntil = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || isSet(OFF) || document.querySelector("dialog[open]")) return;
    if (target.isContentEditable || target.closest("input:not([type=checkbox], [type=radio]), textarea, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (target.matches("tr[data-row]")) {
      const arrows = { ArrowDown: 1, ArrowUp: -1 };
      if (event.key in arrows) { event.preventDefault(); move(arrows[event.key]); return; }
      if (event.key === "Enter") { inRow("a[href]")?.click(); return; }
    }
    if (Date.now() < letterUntil) {
      letterUntil = 0;
      const link = links().find((one) => one.dataset.letter === event.key);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { letterUntil = Date.now() + 1500; return; }
    const shortcut = SHORTCUTS[event.key];
    if (shortcut) { event.preventDefault(); shortcut[1](); }
  });

  const show = (dialog) => {
    document.body.append(dialog);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.showModal();
    return dialog;
  };

  const showKeys = () => {
    const list = make("dl");
    const line = (keys, words) =>
      list.append(make("dt", {}, ...keys.flatMap((key) => [make("kbd", {}, key), " "])), make("dd", {}, words));
    line(["Ctrl K"], "Go to anything");
    for (const link of links()) if (link.dataset.letter) line(["g", link.dataset.letter], link.textContent.trim());
    for (const [key, [words]] of Object.entries(SHORTCUTS)) line([key], words);
    const off = make("input", { type: "checkbox" });
    off.checked = !isSet(OFF);
    off.addEventListener("change", () => keep(OFF, !off.checked));
    const quiet = make("input", { type: "checkbox" });
    quiet.checked = !isSet(MUTED);
    quiet.addEventListener("change", () => keep(MUTED, !quiet.checked));
    const close = make("button", { class: "primary" }, "Close");
    const title = make("h2", { id: "keys-title" }, "Keyboard");
    const dialog = show(make("dialog", { class: "keys", "aria-labelledby": "keys-title" }, title, list,
      make("label", {}, off, "Shortcuts of one letter"),
      make("label", {}, quiet, "Screen readers say what has come"), make("p", { class: "buttons" }, close)));
    close.addEventListener("click", () => dialog.close());
    close.focus();
  };

  // The palette: pages, queues, kinds, a job by its id, a search.
  const has = (path) => links().some((link) => link.getAttribute("href") === root + path);
  let found = null;
  const ask = async (path) => {
    if (!has(path.replace("/v1", ""))) return [];  // not for this caller
    const answer = await fetch(root + path, { headers: { accept: "application/json" } });
    return answer.ok ? (await answer.json()).items : [];
  };
  const collect = () => (found ??= Promise.all([
    ask("/v1/queues").then((all) => all.map((one) => one.queue ?? one.name)).catch(() => []),
    ask("/v1/kinds").then((all) => all.map((one) => one.kind ?? one.name)).catch(() => []),
  ]));
  const entry = (title, what, href) => ({ title, what, href });
  const entriesFor = (text, [queues, kinds]) => {
    const wanted = text.trim().toLowerCase();
    const all = [
      ...links().map((link) => entry(link.textContent.trim(), "page", link.href)),
      ...queues.map((name) => entry(name, "queue", `${root}/queues/${encodeURIComponent(name)}`)),
      ...kinds.map((name) => entry(name, "kind", `${root}/kinds/${encodeURIComponent(name)}`)),
    ].filter((one) => one.title.toLowerCase().includes(wanted));
    all.sort((a, b) => b.title.toLowerCase().startsWith(wanted) - a.title.toLowerCase().startsWith(wanted));
    const more = [];
    if (wanted && has("/jobs")) {
      if (/^[\w.:@-]{16,}$/.test(wanted)) more.push(entry(text.trim(), "open this job", `${root}/jobs/${encodeURIComponent(text.trim())}`));
      more.push(entry(text.trim(), "search jobs", `${root}/jobs?q=${encodeURIComponent(text.trim())}`));
    }
    return [...all.slice(0, 12), ...more];
  };

  const openPalette = () => {
    if (document.querySelector("dialog[open]")) return;
    const list = make("ul", { role: "listbox", id: "palette-list", "aria-label": "Where to" });
    const input = make("input", {
      role: "combobox", "aria-controls": "palette-list", "aria-expanded": "true", "aria-autocomplete": "list",
      "aria-label": "Go to a page, a queue, a kind or a job", placeholder: "Page, queue, kind or job id", autocomplete: "off", spellcheck: "false",
    });
    const dialog = show(make("dialog", { class: "palette", "aria-label": "Go to" }, input, list));
    let known = [[], []], at = 0, shown = [];
    const choose = (index) => {
      at = shown.length ? (index + shown.length) % shown.length : 0;
      [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
      list.children[at]?.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", shown.length ? `palette-${at}` : "");
    };
    const draw = () => {
      shown = entriesFor(input.value, known);
      list.replaceChildren(...shown.map((one, number) => {
        const item = make("li", { role: "option", id: `palette-${number}` }, make("span", {}, one.title), make("span", { class: "muted" }, one.what));
        item.addEventListener("click", () => { location.href = one.href; });
        return item;
      }));
      choose(0);
    };
    input.addEventListener("input", draw);
    input.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (by) { event.preventDefault(); choose(at + by); }
      if (event.key === "Enter" && shown[at]) { event.preventDefault(); location.href = shown[at].href; }
    });
    draw();
    collect().then((all) => { known = all; if (dialog.open) draw(); });
  };
  document.addEventListener("click", (event) => event.target.closest?.("[data-palette]") && openPalette());
  document.addEventListener("click", (event) => event.target.closest?.("[data-keys]") && showKeys());
})();
