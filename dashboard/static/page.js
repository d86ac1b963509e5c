// What every page has: htmx may read our own answers, ages grow, texts are copied, open questions close.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // The only place where text becomes HTML.  It comes from our own pages (htmx asks no other origin), which escape
  // whatever they show.  A script in them is emptied, and htmx gets no way to run text as one.
  const rules = { createHTML: (text) => text, createScript: () => "" };
  const policy = window.trustedTypes?.createPolicy("monarq", rules) ?? rules;
  const refuse = () => { throw new Error("no text is run as a script here"); };
  htmx.registerExtension("monarq", {
    init: (api) => {
      api.initSecurity(policy, refuse, refuse);
      window.monarq = { morph: api.morph };
    },
  });

  // on a phone the strip of pages is longer than the screen
  document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];
  const rough = (seconds) => {
    for (const [size, unit] of UNITS)
      if (seconds >= 2 * size || (seconds >= size && unit !== "min"))
        return `${Math.floor(seconds / size).toLocaleString("en")} ${unit}`;
    return `${Math.floor(seconds)} s`;
  };
  // the server's clock counts: what is told as its time when the page comes is the start of ours
  const sent = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart || 0);
  const ahead = Number(document.body.dataset.now || sent) - sent;
  const grow = () => {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const text = seconds <= -1 ? `in ${rough(-seconds)}` : `${rough(Math.max(0, seconds))} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(() => document.hidden || grow(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || grow());

  // the server tells times in UTC; here, also as the reader's own clock has them
  document.addEventListener("pointerover", (event) => {
    const time = event.target instanceof Element && event.target.closest("time[title]");
    if (time && !time.title.includes("\n"))
      time.title += `\n${new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })}`;
  });

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // without TLS there is no clipboard but this one
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  document.addEventListener("click", async (event) => {
    const target = event.target instanceof Element ? event.target : null;
    for (const open of document.querySelectorAll("details.confirm[open]"))
      if (!open.contains(target)) open.open = false;
    const source = target?.closest("[data-copy]");
    if (source) {
      const label = source.lastElementChild;
      await copy(source.dataset.copy);
      const before = label.textContent;
      label.textContent = "Copied";
      label.classList.remove("unseen");
      setTimeout(() => { label.textContent = before; label.classList.toggle("unseen", before === "Copy"); }, 1500);
    }
    if (target?.closest("[data-back]")) history.back();
  });
  // a question opens towards the side where there is room
  document.addEventListener("toggle", (event) => {
    const form = event.target.matches?.("details.confirm[open]") && event.target.querySelector(":scope > form");
    if (!form) return;
    event.target.classList.remove("flip");
    const left = document.querySelector("main").getBoundingClientRect().left;
    event.target.classList.toggle("flip", form.getBoundingClientRect().left < left);
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.confirm[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });
  // a form that is sent is not sent twice
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 3000);
  });
})();
