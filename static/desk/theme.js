// Sets dark or light before the first paint, and remembers what the reader chose on this machine.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: light)");

  function show() {
    const chosen = localStorage.getItem("theme");
    root.dataset.theme = chosen ?? (system.matches ? "light" : "dark");
    root.dispatchEvent(new CustomEvent("desk:theme"));
  }

  system.addEventListener("change", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    localStorage.setItem("theme", root.dataset.theme === "dark" ? "light" : "dark");
    show();
  });
  show();
})();
