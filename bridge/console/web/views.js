// What is drawn of the numbers and of the board: flow, conditions, integrations, backfills.

import {element, fill, find, moment, number, rate, span} from "./format.js";

const OLD_MS = 15000;

let before; // the flow asked for last
let sorting = {key: "waiting", down: true};
let standings = [];
let standingsAll = 0; // the bridge tells the thousand with most to tell
const met = new Map(); // of each running backfill: how far it was when this page saw it first

const startOf = (flow) => flow.wall_ms - flow.uptime_ms;

// A counter's rise a second since the answer before; undefined when the process is another one since.
function rise(flow, name) {
  if (!before || flow.instance !== before.instance || Math.abs(startOf(flow) - startOf(before)) > 2000) return undefined;
  const seconds = (flow.uptime_ms - before.uptime_ms) / 1000;
  const more = flow.now[name] - before.now[name];
  return seconds > 0 && more >= 0 ? more / seconds : undefined;
}

function showConditions(health) {
  const conditions = Object.entries(health.conditions ?? {});
  fill(find("#conditions"), conditions.map(([name, told]) => element("li", {class: told.ok ? "good" : "bad"},
    told.ok ? name : `${name}: ${told.reason}`)));
}

export function showFlow(flow) {
  const parts = flow.parts.split(" ");
  find("#who").textContent = `${flow.instance} · ${flow.version} · up ${span(flow.uptime_ms)}`;
  const badge = find("#ready");
  badge.textContent = flow.ready ? "ready" : "not ready";
  badge.className = flow.ready ? "badge good" : "badge bad";
  for (const stage of document.querySelectorAll("[data-part]")) stage.classList.toggle("absent", !parts.includes(stage.dataset.part));
  for (const place of document.querySelectorAll("[data-now]")) place.textContent = number(flow.now[place.dataset.now]);
  for (const place of document.querySelectorAll("[data-rate]")) place.textContent = rate(rise(flow, place.dataset.rate));
  for (const place of document.querySelectorAll("[data-span]")) place.textContent = span(flow.now[place.dataset.span] / 1000);
  const limit = flow.now.budget_limit;
  const meter = find("#budget");
  meter.hidden = !(limit > 0);
  if (limit > 0) meter.value = Math.max(flow.now.budget_left, 0) / limit;
  find("#budget-text").textContent = !parts.includes("enricher") ? "no enricher runs here"
    : limit > 0 ? `${number(flow.now.budget_left)} of ${number(limit)} left this minute` : "no limit known";
  find("#breaker").textContent = flow.now.breaker_open ? "All requests are held back: the API keeps failing." : "";
  showConditions(flow.health ?? {});
  before = flow;
}

function syncText(row) {
  if (!row.synced_at_ms) return "–";
  const more = row.reconciled ? row.missed ? `, ${number(row.missed)} made good` : "" : ", not reconciled";
  return moment(row.synced_at_ms) + more;
}

function showStandings() {
  const wanted = find("#standings-filter").value.trim().toLowerCase();
  const direction = sorting.down ? -1 : 1;
  const rows = standings
    .filter((row) => !wanted || `${row.integration_id} ${row.model}`.toLowerCase().includes(wanted))
    .sort((a, b) => {
      const [one, other] = [a[sorting.key] ?? 0, b[sorting.key] ?? 0];
      return direction * (typeof one === "string" ? one.localeCompare(other) : one - other);
    });
  fill(find("#standings tbody"), rows.slice(0, 500).map((row) => element("tr", {},
    element("td", {class: "id"}, row.integration_id), element("td", {}, row.model),
    element("td", {class: "number"}, number(row.waiting)),
    element("td", {class: "number"}, row.waiting ? span(row.oldest_ms) : "–"),
    element("td", {class: "number"}, number(row.snapshots)),
    element("td", {class: row.dead_letters ? "number bad-text" : "number"}, number(row.dead_letters)),
    element("td", {class: row.synced_at_ms && !row.reconciled ? "warn-text" : undefined}, syncText(row)))),
  "nothing yet");
  for (const head of document.querySelectorAll("#standings th")) {
    if (head.firstElementChild.dataset.sort === sorting.key) head.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  find("#standings-note").textContent = [rows.length > 500 && `500 of ${number(rows.length)} are shown: filter for others.`,
    standingsAll > standings.length && `Of ${number(standingsAll)} in all the ${number(standings.length)} with most waiting and most dead letters are known here.`]
    .filter(Boolean).join(" ");
}

// Its speed is that since this page saw it first: what it did before may have had pauses in it.
function backfillText(row, wall) {
  const of = row.total === undefined ? "" : ` of ${number(row.total)}`;
  const text = `${row.state}: ${number(row.met)}${of} records, ${number(row.pages)} pages`;
  if (row.state === "done" || row.state === "failed") return `${text}, after ${span(row.ended_at_ms - row.started_at_ms)}`;
  const key = `${row.integration_id}/${row.model}/${row.started_at_ms}`;
  if (!met.has(key)) met.set(key, {met: row.met, wall});
  const first = met.get(key);
  const speed = wall > first.wall ? (row.met - first.met) / (wall - first.wall) * 1000 : 0;
  const left = row.total > row.met && speed > 0 ? `, about ${span((row.total - row.met) / speed * 1000)} left` : "";
  return speed > 0 ? `${text}, ${rate(speed)}/s${left}` : text;
}

// `told` is the board and its age; a part that has not written yet, or hangs, is said to be so.
export function showBoard(told, wall, parts) {
  const board = told.age_ms < OLD_MS ? told.board : null;
  standings = board?.standings ?? [];
  standingsAll = board?.standings_all ?? 0;
  showStandings();
  for (const note of document.querySelectorAll(".board-note")) {
    note.hidden = board !== null;
    note.textContent = parts.includes("enricher") ? "The enricher is asked…" : "No enricher runs in this process.";
  }
  if (board === null) {
    for (const list of ["#syncs", "#backfills-list"]) find(list).replaceChildren();
    return;
  }
  fill(find("#syncs"), (board?.syncs ?? []).map((row) => element("li", {},
    element("code", {}, row.integration_id), ` ${row.done} of ${row.models} models complete, since ${span(wall - row.began_at_ms)}`)), "none");
  fill(find("#backfills-list"), (board?.backfills ?? []).map((row) => {
    const most = row.state === "done" ? Math.max(row.met, 1) : row.total;
    const bar = element("progress", {"aria-label": `${row.model} of ${row.integration_id}`});
    if (most > 0) { bar.max = most; bar.value = Math.min(row.met, most); }
    return element("li", {}, element("div", {}, element("b", {}, row.model), " of ", element("code", {}, row.integration_id)), bar,
      element("div", {class: row.state === "failed" ? "note bad-text" : "note"}, backfillText(row, wall)));
  }), "None since the partitions were assigned. `propexo-bridge backfill` orders one; so does a first sync.");
}

export function startViews() {
  find("#standings-filter").addEventListener("input", showStandings);
  for (const button of document.querySelectorAll("#standings [data-sort]"))
    button.addEventListener("click", () => {
      sorting = {key: button.dataset.sort, down: sorting.key === button.dataset.sort ? !sorting.down : true};
      showStandings();
    });
}
