// Keeps a page's line to the desk, and says how fresh the page is.
//
// PostgreSQL is the truth and the socket only saves waiting: whenever something may have been
// missed, `desk:stale` on <body> has the page fetch what it shows again. `desk:row` hands over an
// order's row as it now stands (rows.js puts it in its place), `desk:changed` says whose it was.
//
// A page may carry <body data-sequences='{"<account id>": 17}'>, how far each account had come
// when it was drawn. Without it, the page is fetched again once the socket is open.
"use strict";
(() => {
  const QUIET = 5_000; // ms without a beat, after which nothing may look live
  const DEAD = 15_000; // ms without a beat, after which the socket is given up
  const HIDDEN = 60_000; // ms in the background, after which a page stops listening
  const LONGEST_PAUSE = 30_000; // ms between attempts to connect
  const SIGNED_OUT = 4401;

  /** @typedef {{account: string, after: number, sequence: number,
   *             order: string | null, row: string | null}} Changed */
  /** @typedef {{accounts: Record<string, number>, delayed: boolean, at: string}} Standing */

  const root = document.documentElement;
  const find = (/** @type {string} */ id) => document.getElementById(id);
  const tell = (/** @type {string} */ name, detail = {}) =>
    document.body.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));

  // --- The link, and what it is called ---

  /** @type {WebSocket | null} */
  let socket = null;
  let heardAt = 0; // when it was opened or last beat, by performance.now()
  let hasBeat = false;
  let wasLive = false;
  let isDelayed = false; // the server hears of changes late
  let failures = 0;
  let reconnecting = 0;
  let hiding = 0;

  function connect() {
    clearTimeout(reconnecting);
    if (socket || document.hidden) return;
    const opened = new WebSocket(`${location.origin.replace(/^http/, "ws")}/live/`);
    socket = opened;
    heardAt = performance.now();
    hasBeat = false;
    opened.onmessage = (event) => socket === opened && hear(JSON.parse(event.data));
    opened.onclose = (event) => {
      if (socket !== opened) return;
      disconnect();
      if (event.code === SIGNED_OUT) tell("desk:signed-out");
      const pause = event.code === SIGNED_OUT ? LONGEST_PAUSE : 500 * 2 ** failures++;
      // Jittered: after a restart not every page comes at once.
      const jittered = Math.min(pause, LONGEST_PAUSE) * (0.5 + Math.random());
      reconnecting = setTimeout(connect, jittered);
    };
  }

  function disconnect() {
    clearTimeout(reconnecting);
    const closed = socket;
    socket = null;
    // Closed while it opens, it would be reported as a fault of the page.
    if (closed?.readyState === WebSocket.CONNECTING) closed.onopen = () => closed.close();
    else closed?.close();
    showLink();
  }

  function showLink() {
    const silence = performance.now() - heardAt;
    if (socket && silence > DEAD) return socket.onclose?.(new CloseEvent("close"));
    const isLate = isDelayed || silence > QUIET;
    const link = !socket || !hasBeat ? "offline" : isLate ? "delayed" : "live";
    const seconds = Math.max(Math.round(silence / 1000), 2); // delayed: at best a round behind
    const word = link === "delayed" ? `DELAYED ${seconds} s` : link.toUpperCase();
    const place = find("link-state");
    if (place && place.textContent !== word) place.textContent = word;
    // Said once, and not with every second that is counted.
    if (root.dataset.link !== link && wasLive) tell("desk:say", { words: `This page is ${link}.` });
    wasLive ||= link === "live";
    root.dataset.link = link;
  }

  // --- What the hub says ---

  /** @type {Map<string, number>} how far this page has been told, by account */
  const told = new Map();
  /** @type {Record<string, number>} what the last beat promised */
  let promised = {};
  let staleSoon = 0;
  let isFirst = true;

  /** @param {{type: string} & Standing & Changed} frame */
  function hear(frame) {
    if (frame.type === "hello") hearHello(frame);
    if (frame.type === "hello" || frame.type === "beat") hearBeat(frame);
    if (frame.type === "changed") hearChange(frame);
    if (frame.type === "stale") goStale();
  }

  /** @param {Standing} hello */
  function hearHello(hello) {
    failures = 0;
    promised = {};
    if (isFirst) {
      const drawn = JSON.parse(document.body.dataset.sequences ?? "{}");
      for (const account in drawn) told.set(account, drawn[account]);
    }
    isFirst = false;
    const missed = Object.keys(hello.accounts).some((at) => !(told.get(at) >= hello.accounts[at]));
    const lost = [...told.keys()].some((account) => !(account in hello.accounts));
    if (missed || lost) goStale();
  }

  /** @param {Standing} beat */
  function hearBeat(beat) {
    heardAt = performance.now();
    hasBeat = true;
    isDelayed = beat.delayed;
    showLink();
    // A beat may overtake changes that are just being read. By the next one they must be here.
    if (Object.keys(promised).some((account) => told.get(account) < promised[account])) goStale();
    for (const account in beat.accounts) {
      if (!told.has(account)) told.set(account, beat.accounts[account]);
    }
    promised = beat.accounts;
  }

  /** @param {Changed} change */
  function hearChange({ account, after, sequence, order, row }) {
    if (told.get(account) < after || (order && row === null)) goStale();
    told.set(account, Math.max(told.get(account) ?? 0, sequence));
    if (order && row) tell("desk:row", { order, row });
    tell("desk:changed", { account, order });
  }

  function goStale() {
    told.clear();
    promised = {};
    clearTimeout(staleSoon);
    // Jittered: what one page missed, all of them did.
    staleSoon = setTimeout(tell, Math.random() * 500, "desk:stale");
  }

  // --- The page around it ---

  document.body.addEventListener("desk:too-much", goStale);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(disconnect, HIDDEN);
    else connect();
  });
  addEventListener("online", connect);
  addEventListener("pagehide", disconnect); // an open socket keeps a page out of the back cache
  addEventListener("pageshow", connect);
  setInterval(showLink, 1_000);
  showLink();
  connect();
})();
