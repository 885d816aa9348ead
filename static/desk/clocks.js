// Writes moments in the reader's own zone, and keeps ages and countdowns going.
//
// They go by the server's clock, not by this machine's: a wrong clock here must not show an order
// as younger than it is.
"use strict";
(() => {
  const ahead = Date.parse(document.documentElement.dataset.now) - Date.now();
  const two = (number) => String(number).padStart(2, "0");
  const now = () => Date.now() + ahead;

  function length(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
    return `${Math.floor(seconds / 86400)} d`;
  }

  const hms = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const isToday = (at) => day(at) === day(new Date(now()));

  const write = {
    clock: (at) => (isToday(at) ? hms(at) : `${day(at).slice(5)} ${hms(at).slice(0, 5)}`),
    exact: (at) => `${isToday(at) ? "" : `${day(at)} `}${hms(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`,
    date: (at) => `${day(at)} ${hms(at)}`,
    age: (at) => length(now() - at),
    countdown: (at) => (at - now() > 999 ? `in ${length(at - now())}` : "now"),
  };

  function show(time) {
    const text = write[time.dataset.time]?.(new Date(time.dateTime));
    if (text && time.textContent !== text) time.textContent = text;
  }

  function showAll(root = document) {
    root.querySelectorAll("time[data-time]").forEach(show);
  }

  // Rows come by socket and by answer alike: whatever is new is written at once.
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.nodeType === 1) showAll(node);
      if (change.type === "attributes") show(change.target);
    }
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["datetime"] });
  // A morph writes the server's words over ours.
  document.addEventListener("htmx:after:swap", () => showAll());
  setInterval(() => {
    document.querySelectorAll('time[data-time="age"], time[data-time="countdown"]').forEach(show);
  }, 1_000);
  showAll();
})();
