// The examples of Alpaca's document for JavaScript, with what makes each of them run, and what a bot
// does next. Only the address is another. It says what came of each step as one line of JSON.

const Alpaca = require("@alpacahq/alpaca-trade-api");

const alpaca = new Alpaca({
  baseUrl: process.env.DESK_URL,
  keyId: process.env.DESK_KEY,
  secretKey: process.env.DESK_SECRET,
  paper: true,
});

const tell = (step, told) => console.log(JSON.stringify({ step, told }));
const until = async (id, status) => {
  for (;;) {
    const order = await alpaca.getOrder(id);
    if (order.status === status) return order;
    await new Promise((resume) => setTimeout(resume, 50));
  }
};

// Prepare the websocket connection and subscribe to trade_updates.
const client = alpaca.trade_ws;
const heard = [];
const listening = new Promise((ready, fail) => {
  client.onConnect(() => client.subscribe(["trade_updates"]));
  client.onError((error) => fail(new Error(error)));
  client.onOrderUpdate((update) => heard.push([update.order.client_order_id, update.event]));
  // The SDK says nothing once it listens: the answer to that is a frame like the others.
  client.connect();
  client.conn.on("message", (data) => {
    if (String(data).includes('"listening"')) ready();
  });
});

async function orders() {
  // Submit a market order to buy 1 share of Apple at market price
  const bought = await alpaca.createOrder({
    symbol: "AAPL",
    qty: 1,
    side: "buy",
    type: "market",
    time_in_force: "day",
    client_order_id: process.env.DESK_NAME,
  });
  // Submit a limit order to attempt to sell 1 share of AMD at a
  // particular price ($20.50) when the market opens
  const opening = await alpaca.createOrder({
    symbol: "AMD",
    qty: 1,
    side: "sell",
    type: "limit",
    time_in_force: "opg",
    limit_price: 20.5,
  });
  await until(bought.id, "filled");
  // Get our order using its Client Order ID.
  const found = await alpaca.getOrderByClientId(process.env.DESK_NAME);
  tell("orders", { bought: bought.id, found: found.id, opening: opening.id });
}

async function legs(price) {
  // We could buy a position and add a stop-loss and a take-profit of 5 %
  const bracket = await alpaca.createOrder({
    symbol: "AAPL",
    qty: 1,
    side: "buy",
    type: "limit",
    time_in_force: "gtc",
    limit_price: price,
    order_class: "bracket",
    stop_loss: { stop_price: price * 0.95, limit_price: price * 0.94 },
    take_profit: { limit_price: price * 1.05 },
  });
  // We could buy a position and just add a stop loss of 5 % (OTO Orders)
  const oto = await alpaca.createOrder({
    symbol: "AAPL",
    qty: 1,
    side: "buy",
    type: "limit",
    time_in_force: "gtc",
    limit_price: price,
    order_class: "oto",
    stop_loss: { stop_price: price * 0.95 },
  });
  // We could split it to 2 orders. first buy a stock,
  // and then add the stop/profit prices (OCO Orders)
  const stock = await alpaca.createOrder({
    symbol: "AAPL",
    qty: 1,
    side: "buy",
    type: "limit",
    time_in_force: "gtc",
    limit_price: price,
  });
  for (const { id } of [bracket, oto, stock]) await until(id, "filled");
  const oco = await alpaca.createOrder({
    symbol: "AAPL",
    qty: 1,
    side: "sell",
    type: "limit",
    time_in_force: "gtc",
    limit_price: price,
    order_class: "oco",
    stop_loss: { stop_price: price * 0.95 },
    take_profit: { limit_price: price * 1.05 },
  });
  await until(oco.id, "new");
  tell("legs", { bracket: bracket.id, oto: oto.id, oco: oco.id });
}

async function trails() {
  const placed = [];
  for (const trail of [{ trail_price: 1.0 }, { trail_percent: 1.0 }]) {
    const bought = await alpaca.createOrder({
      symbol: "MSFT",
      qty: 1,
      side: "buy",
      type: "market",
      time_in_force: "day",
    });
    await until(bought.id, "filled");
    // stop price will be hwm - 1.00$, or hwm*0.99
    const order = await alpaca.createOrder({
      symbol: "MSFT",
      qty: 1,
      side: "sell",
      type: "trailing_stop",
      time_in_force: "day",
      ...trail,
    });
    placed.push(await until(order.id, "new"));
    await alpaca.cancelOrder(order.id);
    await until(order.id, "canceled");
  }
  const marks = ({ trail_price, trail_percent, hwm, stop_price }) => [trail_price, trail_percent, hwm, stop_price];
  tell("trails", placed.map(marks));
}

async function changes() {
  const low = { symbol: "KO", qty: 2, side: "buy", type: "limit", limit_price: 1, time_in_force: "day" };
  const order = await alpaca.createOrder(low);
  await until(order.id, "new");
  const replaced = await alpaca.replaceOrder(order.id, { qty: "3", limit_price: 1.5 });
  await until(replaced.id, "new");
  await alpaca.cancelOrder(replaced.id);
  await until(replaced.id, "canceled");
  const { response } = await alpaca.createOrder({ ...low, qty: 0 }).catch((error) => error);
  tell("changes", {
    replaces: replaced.replaces === order.id,
    qty: replaced.qty,
    refused: [response.status, response.data],
  });
}

async function ends() {
  // Get the last 100 of our closed orders
  const closed = await alpaca.getOrders({ status: "closed", limit: 100, nested: true });
  const canceled = await alpaca.cancelAllOrders();
  for (const { id } of canceled) await until(id, "canceled");
  const account = await alpaca.getAccount();
  const held = await alpaca.getPositions();
  await until((await alpaca.closePosition("MSFT")).id, "filled");
  for (const { body } of await alpaca.closeAllPositions()) await until(body.id, "filled");
  tell("ends", {
    closed: closed.filter((order) => order.symbol == "AAPL").length,
    canceled: canceled.map(({ status }) => status),
    account: account.status,
    held: held.map(({ symbol, qty }) => [symbol, qty]).sort(),
    left: (await alpaca.getPositions()).length,
  });
}

async function run() {
  await listening;
  await orders();
  await legs(Number(process.env.DESK_PRICE));
  await trails();
  await changes();
  await ends();
  const mine = heard.filter(([name]) => name === process.env.DESK_NAME).map(([, event]) => event);
  tell("heard", { mine, every: heard.length });
  client.disconnect();
}

run().then(
  () => process.exit(0),
  (error) => {
    console.error(error.response ? JSON.stringify(error.response.data) : error);
    process.exit(1);
  },
);
