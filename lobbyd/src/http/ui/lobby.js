// lobby's page: a table that follows /v1/events. Labels are strangers' text: they reach the document as text alone.

/** How long a server counts as lately changed, and one that left is still shown, in milliseconds. */
const LATELY = 60_000;
/** Rows that are kept above and below those that are seen. */
const MARGIN = 10;
/** lobbyd says something every 15 seconds: after twice as long the connection is dead. */
const SILENCE_LIMIT = 30_000;
const LONGEST_PAUSE = 15_000;

const element = (id) => document.getElementById(id);
const [selectorBox, searchBox, scroller, table, rows] =
  ["selector", "search", "scroller", "servers", "rows"].map(element);

// ---- The token -------------------------------------------------------------------------------

const TOKEN_KEY = "lobby-token";

/** Takes `#token=…` out of the address, so that it is neither shown nor kept in the history. */
function takeTokenFromAddress() {
  if (!location.hash.startsWith("#token=")) return;
  // Not as a form would have it: tokens in base64 hold the sign for plus.
  const given = location.hash.slice("#token=".length);
  try {
    sessionStorage.setItem(TOKEN_KEY, decodeURIComponent(given));
  } catch {
    sessionStorage.setItem(TOKEN_KEY, given);
  }
  history.replaceState(null, "", location.pathname + location.search);
}

function askForToken(reason) {
  element("token-form").hidden = reason === null;
  element("token-reason").textContent = reason ?? "";
  if (reason !== null) element("token").focus();
}

// ---- The servers -----------------------------------------------------------------------------

/** name → { name, labels, change: "new" | "changed" | "left" | null, reason, at } */
const servers = new Map();
/** Names of the servers that are shown, in order. */
let shown = [];
/** The name of the row that is chosen by key or click, and the one whose details are open. */
let active = null;
let opened = null;

function put(host, change) {
  servers.set(host.hostname, { name: host.hostname, labels: host.labels, change, at: Date.now() });
}

/** A list of everybody, after which changes follow. What differs from the list before is marked. */
function replaceAll(hosts, isFirst) {
  const before = new Map(servers);
  servers.clear();
  for (const host of hosts) {
    const old = before.get(host.hostname);
    const same = old && old.change !== "left" && old.labels.join("\n") === host.labels.join("\n");
    if (same) servers.set(host.hostname, old);
    else put(host, isFirst ? null : old ? "changed" : "new");
  }
}

function markLeft({ hostname, labels, reason }) {
  servers.set(hostname, { name: hostname, labels, change: "left", reason, at: Date.now() });
}

/** Lets the marks of a minute ago go. */
function age() {
  const limit = Date.now() - LATELY;
  for (const server of servers.values()) {
    if (server.change === null || server.at > limit) continue;
    if (server.change === "left") servers.delete(server.name);
    else server.change = null;
  }
  changed();
}

const isDrained = (server) =>
  server.labels.some((label) => label === "drain" || label.startsWith("drain:"));

/** The words that mark a server, with their kinds. */
function marks(server) {
  const list = [];
  if (server.change === "new") list.push(["new", "new"]);
  if (server.change === "changed") list.push(["changed", "changed"]);
  if (server.change === "left") list.push(["left", `left: ${server.reason}`]);
  if (server.change !== "left" && isDrained(server)) list.push(["drained", "drained"]);
  return list;
}

// ---- The table -------------------------------------------------------------------------------

let awaitsFrame = false;

/** Something changed: the table is drawn once for all that changes until the next frame. */
function changed() {
  if (awaitsFrame) return;
  awaitsFrame = true;
  requestAnimationFrame(() => {
    awaitsFrame = false;
    choose();
    draw();
    drawDetails();
    if (shown.length > 0) markOnce("first-rows");
  });
}

/** For whoever measures how long the page takes, in the browser's own list of times. */
function markOnce(name) {
  if (performance.getEntriesByName(name).length === 0) performance.mark(name);
}

/** Which servers are shown: those that the search is a part of. */
function choose() {
  const text = searchBox.value.trim().toLowerCase();
  const fits = (server) =>
    server.name.toLowerCase().includes(text) ||
    server.labels.some((label) => label.toLowerCase().includes(text));
  const chosen = [...servers.values()].filter((server) => text === "" || fits(server));
  shown = chosen.map((server) => server.name).sort();
  const living = chosen.filter((server) => server.change !== "left").length;
  element("count").textContent = `${living.toLocaleString("en")} server${living === 1 ? "" : "s"}`;
  table.setAttribute("aria-rowcount", shown.length + 1);
}

const rowHeight = () => parseFloat(getComputedStyle(table.querySelector("th")).height);

/** Puts the rows that are seen into the document, and empty space for the others. */
function draw() {
  const height = rowHeight();
  const first = Math.max(0, Math.floor(scroller.scrollTop / height) - MARGIN);
  const seen = Math.ceil(scroller.clientHeight / height) + 2 * MARGIN;
  const last = Math.min(shown.length, first + seen);
  const lines = shown.slice(first, last).map((name, place) => row(servers.get(name), first + place));
  rows.replaceChildren(space(first * height), ...lines, space((shown.length - last) * height));
  const isSeen = shown.slice(first, last).includes(active);
  if (isSeen) table.setAttribute("aria-activedescendant", rowId(shown.indexOf(active)));
  else table.removeAttribute("aria-activedescendant");
}

const rowId = (index) => `row-${index}`;

function row(server, index) {
  const line = make("tr", { id: rowId(index), className: server.change === "left" ? "left" : "" });
  line.setAttribute("aria-rowindex", index + 2);
  line.setAttribute("aria-selected", server.name === active);
  line.dataset.name = server.name;
  const labels = make("td", { title: server.labels.join("\n") });
  labels.append(...server.labels.map((label) => make("span", { className: "label", textContent: label })));
  const state = make("td");
  state.append(...marks(server).map(badge));
  line.append(make("td", { textContent: server.name, title: server.name }), state, labels);
  return line;
}

function space(height) {
  const line = make("tr");
  line.setAttribute("aria-hidden", "true");
  const cell = make("td", { className: "space", colSpan: 3 });
  cell.style.height = `${height}px`;
  line.append(cell);
  line.hidden = height === 0;
  return line;
}

const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);

const badge = ([kind, words]) => make("span", { className: `badge ${kind}`, textContent: words });

// ---- Details ---------------------------------------------------------------------------------

/** What the details show, so that they are drawn anew only when that changes: the focus stays. */
let drawn = null;

function drawDetails() {
  const server = opened === null ? undefined : servers.get(opened);
  element("details").hidden = server === undefined;
  const wanted = server && JSON.stringify([server.name, server.labels, marks(server)]);
  if (wanted === undefined || wanted === drawn) return;
  drawn = wanted;
  element("details-name").textContent = server.name;
  element("details-state").replaceChildren(...marks(server).map(badge));
  const buttons = server.labels.map((label) => {
    const button = make("button", { type: "button", textContent: label });
    button.addEventListener("click", () => askFor(label));
    const item = make("li");
    item.append(button);
    return item;
  });
  element("details-labels").replaceChildren(...buttons);
}

/** A label as a word of the selector language. */
function quoted(label) {
  if (!label.includes("'")) return `'${label}'`;
  return `"${label.replace(/["\\]/g, "\\$&")}"`;
}

/** Asks for the servers that have this label, too. */
function askFor(label) {
  const key = label.includes(":") ? label.slice(0, label.indexOf(":")) : label;
  const term = label.includes(":")
    ? `${quoted(key)}=${quoted(label.slice(key.length + 1))}`
    : quoted(key);
  const before = selectorBox.value.trim();
  selectorBox.value = before === "" ? term : `(${before}) and ${term}`;
  follow();
}

// ---- Following -------------------------------------------------------------------------------

/** The end of what is being read now, when the question changes. */
let current = new AbortController();
/** Where the stream was cut: the id of the last event. */
let lastId = null;

function say(state, words) {
  element("connection").dataset.state = state;
  element("connection").textContent = words;
}

function showError(text) {
  element("selector-error").hidden = text === null;
  element("selector-error").textContent = text ?? "";
  selectorBox.setAttribute("aria-invalid", text !== null);
}

/** Asks the question in the box, from the start. */
function follow() {
  current.abort();
  current = new AbortController();
  lastId = null;
  const query = new URLSearchParams(location.search);
  if (selectorBox.value.trim() === "") query.delete("selector");
  else query.set("selector", selectorBox.value.trim());
  history.replaceState(null, "", location.pathname + (query.size > 0 ? `?${query}` : ""));
  read(current);
}

/** Reads the feed until the question changes, again and again. */
async function read(question) {
  let pause = 500;
  while (!question.signal.aborted) {
    const end = await readOnce(question).catch((error) => ({ words: `no connection: ${error.message}` }));
    if (question.signal.aborted || end.isFinal) return;
    if (end.wasLive) pause = 500;
    const wait = end.retryAfter ?? pause;
    say("lost", `${end.words}; trying again in ${Math.ceil(wait / 1000)} s. The list is as it was last known.`);
    await new Promise((done) => setTimeout(done, wait));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** One connection. Gives why it ended, and whether it is of no use to try again. */
async function readOnce(question) {
  const url = new URL("v1/events", document.baseURI);
  if (selectorBox.value.trim() !== "") url.searchParams.set("selector", selectorBox.value.trim());
  if (lastId !== null) url.searchParams.set("since", lastId);
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = { Accept: "text/event-stream" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const connection = new AbortController();
  const drop = () => connection.abort();
  question.signal.addEventListener("abort", drop);
  try {
    const response = await fetch(url, { headers, signal: connection.signal, cache: "no-store" });
    if (!response.ok) return await refused(response, token);
    markOnce("first-answer");
    askForToken(null);
    showError(null);
    return await readEvents(response.body, connection);
  } finally {
    question.signal.removeEventListener("abort", drop);
  }
}

async function refused(response, token) {
  const text = (await response.text()).trim();
  if (response.status === 400) {
    showError(text);
    say("waiting", "the selector is not valid: the list is that of the question before");
    return { isFinal: true };
  }
  if (response.status === 401 || response.status === 403) {
    servers.clear();
    changed();
    say("lost", token ? "lobbyd does not take this token" : "lobbyd asks for a token");
    askForToken(text);
    return { isFinal: true };
  }
  const seconds = Number(response.headers.get("Retry-After"));
  return { words: text || `lobbyd answered ${response.status}`, retryAfter: seconds > 0 ? seconds * 1000 : undefined };
}

async function readEvents(body, connection) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let ended = "the connection ended";
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => connection.abort(), SILENCE_LIMIT);
  };
  try {
    for (alive(); ; alive()) {
      const { value, done } = await reader.read();
      if (done) return { words: ended, wasLive: true };
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) if (take(parse(event)) === "bye") ended = "lobbyd is stopping";
    }
  } finally {
    clearTimeout(timer);
  }
}

/** One server-sent event: name, id and data. Comments have neither. */
function parse(event) {
  const fields = { event: "", id: null, data: [] };
  for (const line of event.split("\n")) {
    const colon = line.indexOf(":");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "data") fields.data.push(value);
    else if (name === "event" || name === "id") fields[name] = value;
  }
  return { ...fields, data: fields.data.length > 0 ? JSON.parse(fields.data.join("\n")) : null };
}

/** Acts on an event, and gives its name. */
function take({ event, id, data }) {
  if (event === "snapshot") replaceAll(data.hosts, lastId === null);
  else if (event === "join") put(data.host, "new");
  else if (event === "update") put(data.host, "changed");
  else if (event === "leave") markLeft(data);
  else if (event === "status") showStatus(data);
  if (id !== null) lastId = id;
  changed();
  return event;
}

function showStatus({ warm, drivers }) {
  const isBlind = drivers.length > 0 && drivers.every((driver) => driver.state === "down");
  if (isBlind) say("lost", "no broker can be reached: the list is as it was last known");
  else if (warm) say("live", "live");
  else say("waiting", "listening: not every server has been heard yet");
  element("links").replaceChildren(...drivers.map(({ name, state }) => {
    const item = make("li");
    item.append(badge([state, `${name} ${state}`]));
    return item;
  }));
}

// ---- What people do --------------------------------------------------------------------------

let typing = 0;

selectorBox.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(follow, 400);
});

element("query").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  follow();
});

searchBox.addEventListener("input", changed);
scroller.addEventListener("scroll", () => requestAnimationFrame(draw));
window.addEventListener("resize", changed);

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, element("token").value);
  element("token").value = "";
  follow();
});

rows.addEventListener("click", (event) => {
  const name = event.target.closest("tr")?.dataset.name;
  if (name === undefined) return;
  active = opened = name;
  changed();
});

element("details-close").addEventListener("click", closeDetails);

function closeDetails() {
  opened = null;
  changed();
  table.focus();
}

/** Moves the chosen row into sight. */
function choosePlace(place) {
  const index = Math.max(0, Math.min(shown.length - 1, place));
  active = shown[index] ?? null;
  const height = rowHeight();
  const top = index * height;
  const room = scroller.clientHeight - 2 * height;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
  changed();
}

table.addEventListener("keydown", (event) => {
  const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight()) - 2);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  const step = steps[event.key];
  if (step !== undefined) choosePlace((active === null ? -1 : shown.indexOf(active)) + step);
  else if (event.key === "Enter" && active !== null) opened = active;
  else return;
  event.preventDefault();
  changed();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened !== null) closeDetails();
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    searchBox.focus();
  }
});

takeTokenFromAddress();
selectorBox.value = new URLSearchParams(location.search).get("selector") ?? "";
setInterval(age, 5_000);
follow();
