// The search box completes what is typed, and rows are ticked all at once.  Without this, both are done by hand.
(() => {
  "use strict";
  const input = document.querySelector("input[data-completions]");

  // Completion: a list below the box; arrows choose, Tab and Enter take, Escape closes.
  if (input) {
    const list = document.createElement("ul");
    Object.assign(list, { id: "q-list", role: "listbox", hidden: true });
    list.setAttribute("aria-label", "Completions");
    input.after(list);
    for (const [name, value] of [["role", "combobox"], ["aria-controls", "q-list"], ["aria-autocomplete", "list"], ["aria-expanded", "false"]])
      input.setAttribute(name, value);
    let found = { start: 0, end: 0, items: [] };
    let at = -1;
    let asked = 0;
    let timer = 0;

    const close = () => {
      clearTimeout(timer);
      asked++;
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    };
    const mark = (index) => {
      at = index;
      [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === at)));
      if (at < 0) input.removeAttribute("aria-activedescendant");
      else {
        input.setAttribute("aria-activedescendant", list.children[at].id);
        list.children[at].scrollIntoView({ block: "nearest" });
      }
    };
    const take = (index) => {
      const text = found.items[index];
      const rest = input.value.slice(found.end);
      const isWhole = !text.endsWith(":") && !text.endsWith(".");
      const taken = input.value.slice(0, found.start) + text + (isWhole && !rest.startsWith(" ") ? " " : "");
      input.value = taken + rest;
      input.setSelectionRange(taken.length, taken.length);
      close();
      if (!isWhole) ask();
    };
    const show = () => {
      list.replaceChildren(...found.items.map((text, index) => {
        const item = document.createElement("li");
        item.id = `q-${index}`;
        item.role = "option";
        item.textContent = text;
        item.addEventListener("mousedown", (event) => { event.preventDefault(); take(index); });
        return item;
      }));
      list.hidden = !found.items.length;
      input.setAttribute("aria-expanded", String(!list.hidden));
      mark(-1);
    };
    const ask = async () => {
      const mine = ++asked;
      const place = input.selectionStart;
      const query = new URLSearchParams({ q: input.value, at: String(place) });
      try {
        const answer = await fetch(`${input.dataset.completions}?${query}`, { headers: { accept: "application/json" } });
        if (!answer.ok || mine !== asked || document.activeElement !== input) return;
        found = await answer.json();
        if (found.items.length === 1 && found.items[0] === input.value.slice(found.start, found.end)) found.items = [];
        show();
      } catch { /* the box works without */ }
    };
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      const count = list.hidden ? 0 : found.items.length;
      if (event.key === "ArrowDown" && !count) { event.preventDefault(); ask(); return; }
      if (!count) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        mark(event.key === "ArrowDown" ? (at + 1) % count : at > 0 ? at - 1 : count - 1);
      } else if ((event.key === "Enter" && at >= 0) || (event.key === "Tab" && !event.shiftKey)) {
        event.preventDefault();
        take(Math.max(0, at));
      } else if (event.key === "Escape") {
        event.stopPropagation();
        event.preventDefault();
        close();
      }
    });
  }

  // Ticks: one above all of them, and how many there are.
  const boxes = () => [...document.querySelectorAll("td.tick [type=checkbox]")];
  const count = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    const told = document.querySelector("[data-chosen]");
    if (told) told.textContent = ticked ? `${ticked} ticked` : "";
    for (const button of document.querySelectorAll("button[form=chosen]")) button.disabled = !ticked;
    const all = document.querySelector("th.tick [type=checkbox]");
    if (all) {
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && !all.checked;
    }
  };
  const prepare = () => {
    const head = document.querySelector("th.tick");
    if (head && !head.querySelector("input")) {
      const all = document.createElement("input");
      all.type = "checkbox";
      all.setAttribute("aria-label", "Tick all on this page");
      head.append(all);
    }
    count();
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("th.tick [type=checkbox]"))
      for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.closest?.(".tick")) count();
  });
  document.addEventListener("htmx:after:swap", prepare);
  prepare();
})();
