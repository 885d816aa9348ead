// The price chart: candles, the last price, our own fills and what works in the market.
"use strict";
(() => {
  const EVERY = 2_000; // ms
  const place = document.getElementById("chart");
  const library = window.LightweightCharts;
  if (!place || !library) return;
  let { symbol, account } = place.dataset;
  let seconds = 60;
  let shown = ""; // what the candles on screen are of
  let asking = 0;
  let lines = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const chart = library.createChart(place, {
    autoSize: true,
    layout: { attributionLogo: false, fontFamily: "Inter, sans-serif", fontSize: 11 },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 },
    rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.1 } },
    localization: { timeFormatter: (at) => new Date(at * 1000).toLocaleTimeString() },
  });
  const candles = chart.addSeries(library.CandlestickSeries, { borderVisible: false });
  const marks = library.createSeriesMarkers(candles, []);

  function paint() {
    chart.applyOptions({
      layout: { background: { color: colour("pane") }, textColor: colour("faint") },
      grid: { vertLines: { color: colour("line") }, horzLines: { color: colour("line") } },
      rightPriceScale: { borderColor: colour("line") },
      timeScale: { borderColor: colour("line") },
      crosshair: { vertLine: { color: colour("edge") }, horzLine: { color: colour("edge") } },
    });
    const [up, down] = [colour("buy-fill"), colour("sell-fill")];
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
  }

  function text(id, value) {
    const element = document.getElementById(id);
    if (element && element.textContent !== value) element.textContent = value;
    return element;
  }

  const pretty = (price) => Number(price).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 9 });

  function quote({ bid, ask, last }) {
    const before = Number(document.getElementById("chart-last").dataset.price);
    const label = text("chart-last", pretty(last));
    label.className = `last ${Number(last) > before ? "up" : Number(last) < before ? "down" : ""}`;
    label.dataset.price = last;
    const line = document.getElementById("quote");
    line.innerHTML = "<span>Bid <b></b></span><span>Ask <b></b></span><span>Spread <b></b></span>";
    const [b, a, s] = line.querySelectorAll("b");
    [b.textContent, a.textContent, s.textContent] = [pretty(bid), pretty(ask), pretty((ask - bid).toFixed(9))];
    const typed = document.getElementById("ticket_symbol")?.value.trim().toUpperCase();
    text("ticket-quote", typed === symbol ? `Bid ${pretty(bid)} · Ask ${pretty(ask)}` : "");
  }

  /** Add up the fills of each bar and side: a mark for every one of them would hide the candles. */
  function perBar(fills) {
    const sums = new Map();
    for (const { at, side, quantity } of fills) {
      const start = at - (at % seconds);
      const sum = sums.get(`${start} ${side}`) ?? { at: start, side, quantity: 0 };
      sum.quantity += +quantity;
      sums.set(`${start} ${side}`, sum);
    }
    return [...sums.values()].sort((one, other) => one.at - other.at);
  }

  function draw(told) {
    // The library takes wall-clock seconds for UTC: shift them, so that the axis reads as local.
    const local = (at) => at - new Date(at * 1000).getTimezoneOffset() * 60;
    const bars = told.bars.map((bar) => ({ time: local(bar.at), open: +bar.open, high: +bar.high, low: +bar.low, close: +bar.close }));
    const what = `${account} ${symbol} ${seconds}`;
    candles.setData(bars);
    marks.setMarkers(perBar(told.fills).map(({ at, side, quantity }) => ({
      time: local(at),
      position: side === "buy" ? "belowBar" : "aboveBar",
      shape: side === "buy" ? "arrowUp" : "arrowDown",
      color: colour(side),
      text: String(+quantity.toFixed(9)),
    })));
    lines.forEach((line) => candles.removePriceLine(line));
    lines = told.orders.map((order) => candles.createPriceLine({
      price: +order.price, color: colour(order.side), lineStyle: 2, lineWidth: 1, axisLabelVisible: false, title: `${order.side} ${order.quantity}`,
    }));
    if (what !== shown) {
      chart.timeScale().setVisibleLogicalRange({ from: bars.length - 90, to: bars.length + 3 });
      shown = what;
    }
    quote(told.quote);
  }

  async function ask() {
    clearTimeout(asking);
    asking = setTimeout(ask, EVERY);
    if (!symbol || !account || document.hidden) return;
    const wanted = `${account} ${symbol} ${seconds}`;
    const address = `/market/${symbol.split("/").map(encodeURIComponent).join("/")}/bars?account=${account}&seconds=${seconds}`;
    let told;
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      told = answer.headers.get("content-type")?.includes("json") ? await answer.json() : { error: "You are signed out." };
    } catch {
      told = { error: "The desk does not answer." };
    }
    if (wanted !== `${account} ${symbol} ${seconds}`) return; // somebody chose another meanwhile
    if (!told.error) return draw(told);
    text("quote", `${told.error} What is drawn may be old.`);
    text("chart-last", "");
  }

  document.body.addEventListener("desk:chosen", (event) => {
    const chosen = event.detail;
    if (chosen.symbol === symbol && chosen.account === account) return;
    ({ symbol, account = account } = chosen);
    text("chart-symbol", symbol);
    text("chart-last", "");
    text("quote", "Waiting for a price…");
    candles.setData([]);
    ask();
  });
  document.querySelectorAll("[data-seconds]").forEach((button) =>
    button.addEventListener("click", () => {
      seconds = Number(button.dataset.seconds);
      chart.applyOptions({ timeScale: { secondsVisible: seconds < 60 } });
      document.querySelectorAll("[data-seconds]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      ask();
    }),
  );
  document.documentElement.addEventListener("desk:theme", paint);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  paint();
  ask();
})();
