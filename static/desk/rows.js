// Puts changed orders in their place, never under the pointer, and never an older over a newer one.
//
// A row that is pointed at or worked in waits, marked data-outdated; so does a new one while the
// table is. #new-pill counts them, and a press of it places them all. A row's data-say is read out,
// at once if it has data-urgent.
"use strict";
(() => {
  const MOST_ROWS = 300; // a table left open all day is fetched again rather than grow for ever

  const find = (/** @type {string} */ id) => document.getElementById(id);
  const tell = (/** @type {string} */ name) => document.body.dispatchEvent(new CustomEvent(name));
  const versionOf = (/** @type {HTMLElement} */ row) => Number(row.dataset.version);

  /** @type {Map<string, HTMLElement>} rows that wait for the pointer or the focus to leave */
  const waiting = new Map();
  /** @type {Map<string, HTMLElement>} what came lately, as an answer under way may be older */
  const latest = new Map();

  /** @param {{order: string, row: string}} change */
  function take({ order, row: html }) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const row = template.content.querySelector("tr");
    const known = latest.get(order) ?? find(`order-${order}`);
    if (!row || (known && versionOf(known) > versionOf(row))) return;
    latest.delete(order); // so that the map keeps the order of arrival
    latest.set(order, row);
    if (latest.size > MOST_ROWS) latest.delete(latest.keys().next().value);
    if (known?.dataset.say !== row.dataset.say) announce(row);
    place(order, row);
  }

  /** Put a row in its place, once that moves nothing under the pointer or the focus; `now`: at once.
   * @param {string} order @param {HTMLElement} row */
  function place(order, row, now = false) {
    const rows = find("rows");
    const shown = find(`order-${order}`);
    const isWanted = shown ? versionOf(row) > versionOf(shown) : rows?.hasAttribute("data-live-new");
    waiting.delete(order);
    if (isWanted && (now || !isInUse(shown ?? rows))) put(row, shown, rows, now);
    else if (isWanted) wait(order, row, shown);
    showPill();
  }

  /** @param {string} order @param {HTMLElement} row @param {HTMLElement | null} shown */
  function wait(order, row, shown) {
    waiting.set(order, row);
    shown?.setAttribute("data-outdated", "");
  }

  /** @param {HTMLElement | null} part */
  function isInUse(part) {
    return part?.contains(document.activeElement) || isPointedAt(part);
  }

  /** @param {HTMLElement | null} part */
  function isPointedAt(part) {
    // Where there is no pointer to hover with, the last tap would hold a row for good.
    return Boolean(part?.matches(":hover")) && matchMedia("(hover: hover)").matches;
  }

  /** @param {HTMLElement} latestRow @param {HTMLElement | null} shown
   * @param {HTMLElement} rows @param {boolean} now */
  function put(latestRow, shown, rows, now) {
    const row = document.importNode(latestRow, true);
    const focused = shown?.contains(document.activeElement) ? document.activeElement : null;
    if (shown) {
      const height = shown.offsetHeight;
      keepChoices(shown, row);
      shown.replaceWith(row);
      if (!now && row.offsetHeight !== height && isPointedAt(row.parentElement)) {
        row.replaceWith(shown); // it would move the rows below, and one of them is pointed at
        return wait(row.id.slice("order-".length), latestRow, shown);
      }
    } else {
      if (rows.children.length >= MOST_ROWS) return tell("desk:too-much");
      rows.querySelector(":scope > .empty")?.remove();
      // Ids grow with time: a new order goes on top, an older one where it belongs.
      const others = [...rows.querySelectorAll(":scope > tr[id^='order-']")];
      const next = others.find((other) => other.id < row.id) ?? others.at(-1)?.nextSibling;
      rows.insertBefore(row, next ?? null);
    }
    window.htmx?.process(row);
    if (focused) equivalent(focused, row).focus({ preventScroll: true });
  }

  /** What a person ticked or selected in a row outlives it. */
  function keepChoices(/** @type {HTMLElement} */ old, /** @type {HTMLElement} */ row) {
    for (const box of old.querySelectorAll("input:checked")) {
      const same = row.querySelector(`input[name="${CSS.escape(box.name)}"]`);
      if (same) same.checked = true;
    }
    const selected = old.getAttribute("aria-selected");
    if (selected) row.setAttribute("aria-selected", selected);
  }

  /** @param {Element} old @param {HTMLElement} row @returns {HTMLElement} */
  function equivalent(old, row) {
    const key = old.getAttribute("data-focus-key");
    const same = old.id ? `#${CSS.escape(old.id)}` : `[data-focus-key="${CSS.escape(key ?? "")}"]`;
    return row.querySelector(same) ?? row;
  }

  function showPill() {
    const pill = find("new-pill");
    if (!pill) return;
    pill.hidden = waiting.size === 0;
    pill.textContent = `${waiting.size} new`;
  }

  function thaw(now = false) {
    for (const [order, row] of [...waiting]) place(order, row, now);
  }

  /** @param {HTMLElement} row */
  function announce(row) {
    const isUrgent = row.dataset.urgent !== undefined;
    const isShown = find(row.id) || find("rows")?.hasAttribute("data-live-new");
    if (row.dataset.say && (isUrgent || isShown)) {
      say(isUrgent ? "live-assertive" : "live-polite", row.dataset.say);
    }
  }

  function say(/** @type {string} */ region, /** @type {string} */ words) {
    const line = document.createElement("p");
    line.textContent = words;
    find(region)?.append(line);
    setTimeout(() => line.remove(), 10_000);
  }

  document.body.addEventListener("desk:row", (event) => take(event.detail));
  document.body.addEventListener("desk:say", (event) => say("live-polite", event.detail.words));
  document.addEventListener("pointerout", (event) => {
    if (waiting.size && find("rows")?.contains(event.target)) setTimeout(thaw);
  });
  document.addEventListener("focusout", () => setTimeout(thaw)); // once the focus has arrived
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#new-pill")) thaw(true);
  });
  // An answer that was read before a row changed must not put the older row back.
  document.addEventListener("htmx:after:swap", () => {
    for (const [order, row] of latest) {
      if (!waiting.has(order) && find(row.id)) place(order, row, true);
    }
  });
  setInterval(() => thaw(), 1_000); // what was pointed at may be gone though the pointer is not
})();
