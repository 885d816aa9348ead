// The ticket's small comforts: what does not apply is not sent, and the chart follows the symbol.
"use strict";
(() => {
  function fit() {
    // A price left over from another type would be refused: what is not shown is not sent.
    for (const field of document.querySelectorAll("#ticket .field")) {
      const isOff = field.classList.contains("off");
      for (const input of field.querySelectorAll("input, select")) input.disabled = isOff;
    }
  }

  function follow() {
    const symbol = document.getElementById("ticket_symbol")?.value.trim().toUpperCase();
    const account = document.getElementById("ticket_account")?.value;
    if (symbol) document.body.dispatchEvent(new CustomEvent("desk:chosen", { detail: { symbol, account } }));
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "ticket_symbol" || event.target.id === "ticket_account") follow();
  });
  document.addEventListener("htmx:after:swap", fit);
  fit();
})();
