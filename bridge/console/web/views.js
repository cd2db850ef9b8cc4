// What is drawn of the numbers and of the board: flow, conditions, integrations, backfills.

import {element, fill, find, moment, number, rate, span} from "./format.js";

let before; // the flow asked for last
let sorting = {key: "waiting", down: true};
let standings = [];

// A counter's rise a second since the answer before; undefined after a restart.
function rise(flow, name) {
  const seconds = before && (flow.uptime_ms - before.uptime_ms) / 1000;
  return seconds > 0 ? (flow.now[name] - before.now[name]) / seconds : undefined;
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
  find("#standings-note").textContent = rows.length > 500 ? `500 of ${number(rows.length)} are shown: filter for others` : "";
}

function backfillText(row, wall) {
  const seconds = ((row.ended_at_ms || wall) - row.started_at_ms) / 1000;
  const speed = seconds > 0 ? row.met / seconds : 0;
  const left = row.total > row.met && speed > 0 ? `, about ${span((row.total - row.met) / speed * 1000)} left` : "";
  const of = row.total === undefined ? "" : ` of ${number(row.total)}`;
  const end = row.state === "done" ? ` in ${span(seconds * 1000)}` : left;
  return `${row.state}: ${number(row.met)}${of} records, ${number(row.pages)} pages, ${rate(speed)}/s${end}`;
}

export function showBoard(board, wall) {
  standings = board?.standings ?? [];
  showStandings();
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
