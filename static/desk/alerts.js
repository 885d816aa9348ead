// Says what became of a request that got no usable answer. A press of a button never ends in silence.
"use strict";
(() => {
  const place = document.getElementById("alerts");
  const isWrite = (ctx) => ctx?.request?.method === "POST";

  function say(text, key = "") {
    if (key && place.querySelector(`[data-key="${key}"]`)) return;
    const line = document.createElement("p");
    line.className = "alert tone-rejected";
    line.dataset.key = key;
    const close = document.createElement("button");
    close.className = "quiet-button";
    close.textContent = "×";
    close.ariaLabel = "Close";
    close.addEventListener("click", () => line.remove());
    line.append(text, " ", close);
    place.append(line);
  }

  function lost(ctx) {
    const form = ctx.sourceElement?.closest?.("[data-confirms]");
    if (form) return "IN DOUBT: the desk did not answer. Confirm again: the same confirmation can not place a second order.";
    const path = ctx.request.action ?? "";
    if (path.endsWith("/cancel/confirm")) return "The desk did not answer. The rows say which cancels were asked for; asking again is harmless.";
    if (path.endsWith("/cancel")) return "The desk did not answer. The row says whether the cancel was asked for; asking again is harmless.";
    return "NOT SENT: the desk did not answer, and nothing was placed.";
  }

  document.addEventListener("htmx:error", (event) => {
    const ctx = event.detail.ctx;
    if (isWrite(ctx)) say(lost(ctx));
  });

  // What is no fragment of ours is never put into the page: it would take a row's or a ticket's place.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    const status = ctx?.response?.status ?? 200;
    const isFragment = /^\s*<(?!!doctype)/i.test(ctx?.text ?? "");
    if (status < 400 || isFragment) return;
    event.preventDefault();
    if (!isWrite(ctx)) return;
    if (status === 403) say("NOT SENT: this page is older than your sign-in, or it is not yours to do. Load it again and look before you repeat.");
    else if (status === 404) say("NOT SENT: there is no such order, or it is not for your eyes.");
    else if (status >= 500) say(`The desk broke while it did this (${status}). Look at the order before you repeat it.`);
    else say(`NOT SENT: the desk declined (${status}).`);
  });

  document.body.addEventListener("desk:signed-out", () => {
    say("You are signed out, and this page is no longer live. Sign in again.", "signed-out");
  });
})();
