// Keeps the parts of a page that are marked data-live="queues workers" as the server has them now.
//
// One tab of a browser, the leader, listens to the server (/events), and tells the others; a tab that nobody sees does
// neither.  Where that fails, it looks now and then.  What somebody reads or uses does not move: then a button says what
// has come.  After each change the region gets the event `monarq:refreshed`.
(() => {
  "use strict";
  const regions = () => [...document.querySelectorAll("[data-live]")];
  if (!regions().length) return;
  const root = document.body.dataset.root;
  const NAME = `monarq${root}:live`, PAUSED = "monarq:paused", MUTED = "monarq:announce-off";
  const POLL = 5000, LONGEST = 300000, SOON = 1000, CALM = 5000, ACTIVE = 10000, ANNOUNCE = 30000, MOST = 50, LATE = 2000;
  const status = document.getElementById("live");
  const toggle = document.querySelector("[data-live-toggle]");
  const stored = (store, key) => { try { return window[store].getItem(key) === "yes"; } catch { return false; } };
  const store = (key, on) => { try { on ? sessionStorage.setItem(key, "yes") : sessionStorage.removeItem(key); } catch { /* not kept */ } };

  // --- what it is doing, for eyes and ears
  let paused = stored("sessionStorage", PAUSED), ended = false, announced = 0;
  const WORDS = { live: "Live", polling: "Slow", paused: "Paused", ended: "Logged out" };
  const show = () => {
    const state = ended ? "ended" : paused ? "paused" : source?.readyState === 2 || delay > POLL ? "polling" : "live";
    document.documentElement.dataset.liveState = state;
    if (!toggle) return;
    toggle.hidden = false;
    toggle.textContent = WORDS[state];
    toggle.setAttribute("aria-pressed", String(paused));
  };
  const announce = (words) => {
    if (!status || stored("localStorage", MUTED) || Date.now() - announced < ANNOUNCE) return;
    announced = Date.now();
    status.textContent = words;
  };

  // --- what must not move
  const rowsOf = (region) => [...region.querySelectorAll("tr[id], [data-key]")].map((row) => row.dataset.key || row.id);
  const isRead = (region) => {
    if (document.querySelector("dialog[open], details.confirm[open]")) return true;
    const selection = getSelection();
    if (selection && !selection.isCollapsed && selection.containsNode(region, true)) return true;
    return region.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select, textarea");
  };
  const keepsRows = (region) => region.hasAttribute("data-live-pill") || region.contains(document.activeElement)
    || region.querySelector("tbody :checked") !== null;

  // --- the page of now, and what of it may be shown
  const pending = new Map();
  let etag = null, lastAt = 0, timer = 0, loading = false, again = false;
  const load = () => new Promise((done) => {
    // a document that XMLHttpRequest has read runs no script, and is no text that becomes HTML here
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 15000;
    request.setRequestHeader("HX-Request", "true");
    if (etag) request.setRequestHeader("If-None-Match", etag);
    request.onloadend = () => done(request);
    request.send();
  });
  const stop = () => { ended = true; close(); show(); if (status) status.textContent = WORDS.ended; };
  const refresh = async () => {
    if (paused || ended || document.hidden) return;
    if (loading) { again = true; return; }
    loading = true;
    lastAt = Date.now();
    const answer = await load();
    loading = false;
    if (again) { again = false; soon(); }
    if (paused || ended) return; // since it was asked
    if (answer.status === 401 || answer.status === 403) return stop();
    if (answer.status === 200 && answer.response) {
      etag = answer.getResponseHeader("ETag");
      for (const region of regions()) {
        const fresh = answer.response.getElementById(region.id);
        if (fresh) offer(region, fresh);
      }
    }
    lookAgain();
  };
  const offer = (region, fresh) => {
    const before = rowsOf(region), after = rowsOf(fresh), known = new Set(before);
    const moves = before.join("\n") !== after.join("\n");
    if (isRead(region) || (moves && keepsRows(region))) return hold(region, fresh, after.filter((key) => !known.has(key)).length);
    apply(region, fresh, after.filter((key) => !known.has(key)).length);
  };
  const hold = (region, fresh, count) => {
    const held = pending.get(region.id), pill = held?.pill || document.createElement("button");
    pill.type = "button";
    pill.className = "pill";
    pill.textContent = count ? `${count} new` : "Changed";
    pill.onclick = () => { apply(region, pending.get(region.id).fresh, count); region.querySelector("tr[data-row]")?.scrollIntoView({ block: "nearest" }); };
    if (!held) region.before(pill);
    pending.set(region.id, { fresh, pill });
    announce(count ? `${count} new` : "There are changes");
  };
  const apply = (region, fresh, count) => {
    pending.get(region.id)?.pill.remove();
    pending.delete(region.id);
    // what is open stays open, and what has the focus can keep it
    for (const name of ["open", "tabindex"])
      for (const one of region.querySelectorAll(`[id][${name}]`))
        fresh.querySelector(`#${CSS.escape(one.id)}`)?.setAttribute(name, one.getAttribute(name));
    const whole = document.createDocumentFragment();
    whole.append(document.adoptNode(fresh));
    window.monarq.morph(region, whole, false);
    htmx.process(region);
    region.dispatchEvent(new CustomEvent("monarq:refreshed", { bubbles: true }));
    if (count) announce(`Updated: ${count} new`);
  };
  // a part that is not complete yet, and of which no event will tell
  const lookAgain = () => { if (document.querySelector("[data-live-again]")) soon(); };
  setInterval(() => {
    for (const [id, { fresh }] of pending) {
      const region = document.getElementById(id);
      if (region && !region.hasAttribute("data-live-pill")) offer(region, fresh);
    }
  }, 2000);

  // --- when: at once for who is there, every few seconds for who only looks
  let active = Date.now();
  for (const name of ["pointermove", "keydown", "scroll"]) addEventListener(name, () => { active = Date.now(); }, { passive: true });
  const soon = () => {
    if (timer) return;
    const gap = Date.now() - active < ACTIVE ? SOON : CALM;
    timer = setTimeout(() => { timer = 0; refresh(); }, Math.max(0, lastAt + gap - Date.now()));
  };
  let late = 0;
  const changed = (topic) => {
    if (topic !== "*" && !regions().some((region) => region.dataset.live.split(/\s+/).includes(topic))) return;
    soon();
    if (topic !== "jobs") return;
    clearTimeout(late); // a job that has ended is in the history a moment after it is told
    late = setTimeout(soon, LATE);
  };

  // --- the leader
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
  const mine = () => regions().flatMap((region) => region.dataset.live.split(/\s+/)).filter(Boolean);
  // the page is of when the server made it: what has changed since is asked for
  const made = document.body.dataset.now, came = Date.now(), changedAt = new Map();
  let source = null, wanted = new Set(), last = made ? `t${made}` : "", release = null, waiting = null, poller = 0, delay = POLL;
  const say = (message) => channel?.postMessage(message);
  const want = (topics) => {
    const more = topics.filter((topic) => !wanted.has(topic));
    if (wanted.size + more.length > MOST) wanted = new Set(mine());
    for (const topic of topics) wanted.add(topic);
    return more.length > 0;
  };
  const listen = () => {
    source?.close();
    const query = new URLSearchParams([...wanted].sort().map((topic) => ["topic", topic]));
    if (last) query.set("since", last);
    source = new EventSource(`${root}/events?${query}`);
    source.onopen = () => { clearTimeout(poller); poller = 0; delay = POLL; show(); };
    source.onmessage = (event) => {
      last = event.lastEventId;
      const { topic } = JSON.parse(event.data);
      changedAt.set(topic, Date.now());
      say({ topic, last });
      changed(topic);
    };
    source.addEventListener("end", (event) => {
      if (JSON.parse(event.data).why !== "stopping") { source.close(); say({ topic: "*" }); refresh(); }
    });
    source.onerror = () => { if (!poller) poll(); };
  };
  const poll = () => {
    poller = setTimeout(() => {
      poller = 0;
      if (!release) return;
      delay = Math.min(LONGEST, delay * 1.2);
      say({ topic: "*" });
      changed("*");
      show();
      if (source?.readyState === 2) listen(); // it was refused: it does not try again by itself
      poll();
    }, delay);
  };
  const lead = () => {
    if (release || waiting || ended) return;
    const begin = () => { wanted = new Set(mine()); say({ who: true }); listen(); };
    if (!navigator.locks || !channel) { release = () => {}; begin(); return; } // no TLS: each tab for itself
    waiting = new AbortController();
    navigator.locks.request(NAME, { signal: waiting.signal }, () => new Promise((done) => { waiting = null; release = done; begin(); }))
      .catch(() => {});
  };
  const close = () => {
    waiting?.abort();
    waiting = null;
    source?.close();
    source = null;
    clearTimeout(poller);
    poller = 0;
    release?.();
    release = null;
  };
  if (channel) channel.onmessage = ({ data }) => {
    if (data.last) last = data.last;
    if (data.topic) changed(data.topic);
    if (data.who && !document.hidden) say({ want: mine(), came });
    if (!data.want || !release) return;
    for (const [topic, at] of changedAt) if (at > data.came - CALM) say({ topic, last });
    if (want(data.want)) listen();
  };
  const wake = () => {
    if (document.hidden) return close();
    delay = POLL;
    lead();
    say({ want: mine(), came });
    show();
  };
  document.addEventListener("visibilitychange", () => { wake(); if (!document.hidden) refresh(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && (wake(), refresh()));

  const pause = () => {
    paused = !paused;
    store(PAUSED, paused);
    show();
    if (status) status.textContent = paused ? "Live updates are paused" : "Live updates go on";
    if (!paused) refresh();
  };
  document.addEventListener("monarq:pause", pause);
  toggle?.addEventListener("click", pause);
  wake();
  lookAgain();
})();
