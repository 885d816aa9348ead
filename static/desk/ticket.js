// The ticket's small comforts: prices that do not apply are not sent, and the chart follows the symbol.
"use strict";
(() => {
  const needs = { limit: ["limit_price"], stop: ["stop_price"], stop_limit: ["limit_price", "stop_price"], market: [] };

  function fit() {
    const type = document.getElementById("ticket_order_type");
    if (!type) return;
    for (const name of ["limit_price", "stop_price"]) {
      const field = document.getElementById(`ticket_${name}`);
      // Disabled fields are not sent: a price left over from another type would be refused.
      field.disabled = !needs[type.value]?.includes(name) && !field.closest(".faulty");
      field.required = needs[type.value]?.includes(name) ?? false;
    }
  }

  function follow() {
    const symbol = document.getElementById("ticket_symbol")?.value.trim().toUpperCase();
    const account = document.getElementById("ticket_account")?.value;
    if (symbol) document.body.dispatchEvent(new CustomEvent("desk:chosen", { detail: { symbol, account } }));
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "ticket_order_type") fit();
    if (event.target.id === "ticket_symbol" || event.target.id === "ticket_account") follow();
  });
  document.addEventListener("htmx:after:swap", fit);
  fit();
})();
