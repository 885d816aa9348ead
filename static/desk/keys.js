// The keyboard. What adds risk takes two steps, what takes it away one; Esc closes and never trades.
"use strict";
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const go = { d: "/", o: "/orders/", e: "/executions/", p: "/positions/", i: "/incidents/", r: "/reconciliation/", l: "/lab/" };
  let isGoing = false;

  // On a phone the pages are a strip wider than the screen: it begins where one is.
  find(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  const rows = () => [...document.querySelectorAll(".orders tbody tr[id]:not(.empty)")];
  const chosen = () => document.activeElement?.closest?.(".orders tbody tr[id]") ?? find('.orders tr[aria-selected="true"]');
  const isTyping = (element) => element.matches?.("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]");

  function choose(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(chosen());
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    all.forEach((row) => row.removeAttribute("aria-selected"));
    next.ariaSelected = "true";
    next.focus();
    next.scrollIntoView({ block: "nearest" });
    document.body.dispatchEvent(new CustomEvent("desk:chosen", { detail: { symbol: next.dataset.symbol, account: next.dataset.account } }));
  }

  function ticket() {
    const symbol = find("#ticket_symbol");
    if (symbol) symbol.select();
    else if (!find("#ticket")) location.href = "/orders/new/";
    else find("#ticket [data-back]")?.focus();
  }

  function side(name) {
    const choice = find(`#ticket input[name="side"][value="${name}"]`);
    if (!choice) return;
    choice.checked = true;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    if (!isTyping(document.activeElement)) find("#ticket_symbol")?.select();
  }

  const page = (selector) => find(selector, chosen() ?? document.getElementById("order-detail") ?? document.createElement("i"));
  const does = {
    "/": () => find("#filter-text")?.focus(),
    j: () => choose(1),
    k: () => choose(-1),
    n: ticket,
    b: () => side("buy"),
    s: () => side("sell"),
    u: () => (location.href = "/doubt/"),
    w: () => page("a.why, .c-symbol a")?.click(),
    x: () => page('[id^="cancel-"]')?.click(),
    X: () => find("#cancel-shown")?.click(),
    r: () => page('[id^="replace-"]')?.click(),
    g: () => (isGoing = true),
    "?": () => document.getElementById("keys")?.showModal(),
  };

  function submit(event) {
    const dialog = find("dialog[open]");
    const form = dialog ? find("form[hx-post]", dialog) : find("#ticket form[hx-post]");
    if (!form) return;
    event.preventDefault();
    const button = find("button.primary", form);
    if (!button.disabled) form.requestSubmit(button);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return submit(event);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (find("dialog[open]")) return;
      if (isTyping(document.activeElement)) document.activeElement.blur();
      find("#ticket [data-back]")?.click();
      return;
    }
    if (isTyping(event.target) || find("dialog[open]")) return;
    if (isGoing) {
      isGoing = false;
      if (go[event.key]) location.href = go[event.key];
      return;
    }
    if (event.key === "Enter" && event.target.matches("tr")) return find(".c-symbol a", event.target)?.click();
    if (!does[event.key]) return;
    event.preventDefault();
    does[event.key]();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
    const closer = event.target.closest("dialog [data-close]");
    if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    }
    const row = event.target.closest(".orders tbody tr[data-symbol]");
    if (row) document.body.dispatchEvent(new CustomEvent("desk:chosen", { detail: { symbol: row.dataset.symbol, account: row.dataset.account } }));
  });

  // A dialog opens once its content has come, and gives the focus back when it closes.
  let opener = null;
  document.addEventListener("htmx:after:swap", () => {
    const dialog = document.getElementById("dialog");
    if (!dialog || dialog.open || !find("#dialog-content *", dialog)) return;
    opener = document.activeElement;
    dialog.showModal();
    find("input:not([type=hidden])", dialog)?.select();
  });
  document.getElementById("dialog")?.addEventListener("close", () => {
    document.getElementById("dialog-content").replaceChildren();
    (opener?.isConnected ? opener : find("#rows tr"))?.focus();
  });
  // A button that did its work is gone with its row; the row takes the focus, not the page.
  document.addEventListener("htmx:before:swap", (event) => {
    const row = event.detail.ctx?.sourceElement?.closest?.("tr[id]");
    if (!row || !row.contains(document.activeElement)) return;
    document.addEventListener("htmx:after:swap", () => {
      if (document.activeElement === document.body) document.getElementById(row.id)?.focus({ preventScroll: true });
    }, { once: true });
  });
})();
