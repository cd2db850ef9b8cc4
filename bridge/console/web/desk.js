// What reads Kafka when asked: dead letters, sending them back, one record.

import {element, fill, find, moment, number} from "./format.js";

let ask; // app.js: asks the bridge, with the token where there is one
let letters = [];

function options(select, values) {
  const chosen = select.value;
  select.replaceChildren(element("option", {value: ""}, "all"), ...values.map((value) => element("option", {value}, value)));
  select.value = values.includes(chosen) ? chosen : "";
}

function choice() {
  return {code: find("#letters-code").value, model: find("#letters-model").value};
}

let more = false;

function showLetters() {
  const {code, model} = choice();
  const rows = letters.filter((row) => (!code || row.error_code === code) && (!model || row.model === model));
  fill(find("#letters-table tbody"), rows.map((row) => element("tr", {},
    element("td", {}, moment(row.written_at_ms)), element("td", {class: "id"}, row.error_code ?? "–"),
    element("td", {}, row.error_message ?? ""), element("td", {}, row.model ?? "–"), element("td", {class: "id"}, row.record_id ?? "–"),
    element("td", {class: "id"}, row.integration_id ?? "–"),
    element("td", {class: "number"}, (row.attempts ?? "–") + (row.replayed ? `, sent back ${row.replayed}×` : "")),
    element("td", {class: "id"}, `${row.partition}:${row.offset}`))), "none");
  find("#letters-note").textContent = `${number(rows.length)} shown${more ? ", older ones are in the topic" : ""}. Letters stay in the topic when they were sent back.`;
}

export async function readLetters() {
  const note = find("#letters-note");
  note.textContent = "reading…";
  try {
    const told = await ask("GET", "letters");
    letters = told.letters;
    more = told.more;
    const distinct = (name) => [...new Set(letters.map((row) => row[name]).filter(Boolean))].sort();
    options(find("#letters-code"), distinct("error_code"));
    options(find("#letters-model"), distinct("model"));
    showLetters();
  } catch (error) {
    note.textContent = error.message;
  }
}

async function replay() {
  const {code, model} = choice();
  const wish = {...(code && {code}), ...(model && {model})};
  const note = find("#letters-note");
  const what = code || model ? `of ${[code && `code ${code}`, model && `model ${model}`].filter(Boolean).join(" and ")}` : "of every code and model";
  try {
    note.textContent = "looking what would be sent…";
    const plan = await ask("POST", "replay", {...wish, dry_run: true});
    note.textContent = "";
    if (plan.sent === 0) {
      note.textContent = `Nothing to send back ${what}: ${number(plan.sent_before)} were sent before, ${number(plan.left)} cannot be.`;
      return;
    }
    find("#replay-text").textContent = `${number(plan.sent)} letters ${what} go back to where they came from` +
      (plan.left ? `; ${number(plan.left)} cannot be sent` : "") + ". All that are in the topic count, not only those shown.";
    const dialog = find("#replay-dialog");
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, {once: true}));
    if (dialog.returnValue !== "ok") return;
    note.textContent = "sending…";
    const done = await ask("POST", "replay", wish);
    await readLetters();
    note.textContent = [`${number(done.sent)} letters were sent back.`, done.left > 0 && `${number(done.left)} cannot be.`,
      done.problem && `Then it could not go on: ${done.problem}`, done.interrupted && !done.problem && "There are more: send again.",
      done.forgotten > 0 && `Up to ${number(done.forgotten)} may be sent once more by a later replay.`].filter(Boolean).join(" ");
  } catch (error) {
    note.textContent = error.message;
  }
}

function value(held) {
  return held === undefined ? "" : typeof held === "string" ? held : JSON.stringify(held);
}

function fields(record, changed) {
  return element("table", {}, element("tbody", {}, ...Object.entries(record ?? {}).map(([name, held]) =>
    element("tr", {class: changed?.has(name) ? "changed" : undefined}, element("th", {scope: "row"}, name), element("td", {}, value(held))))));
}

// The diff of a webhook, whichever of its shapes: name -> [before, after].
export function changesOf(event) {
  const data = event?.data ?? event ?? {};
  const diff = data.diff ?? event?.diff;
  if (diff?.new || diff?.previous) {
    const names = new Set([...Object.keys(diff.previous ?? {}), ...Object.keys(diff.new ?? {})]);
    return Object.fromEntries([...names].map((name) => [name, [diff.previous?.[name], diff.new?.[name]]]));
  }
  const payload = data.payload ?? event?.payload ?? diff ?? {};
  return Object.fromEntries(Object.entries(payload).map(([name, held]) => [name, [undefined, held]]));
}

function eventItem(row) {
  const changes = changesOf(row.event);
  const body = row.problem ? row.problem : element("table", {}, element("tbody", {}, ...Object.entries(changes).map(([name, [was, is]]) =>
    element("tr", {}, element("th", {scope: "row"}, name), element("td", {}, value(was)), element("td", {}, "→ " + value(is))))));
  return element("li", {}, element("div", {class: "note"}, `${row.trigger ?? ""} · ${moment(row.written_at_ms)} · ${row.partition}:${row.offset}`), body);
}

function snapshotItem(row) {
  const changed = new Set((row.changed_fields ?? "").split(",").map((name) => name.trim()).filter(Boolean));
  const body = row.problem ?? (row.record === null ? "deleted" : fields(row.record, changed));
  return element("li", {}, element("div", {class: "note"}, `${moment(row.written_at_ms)} · ${row.partition}:${row.offset}`), body);
}

async function lookUp(event) {
  event.preventDefault();
  const note = find("#record-note");
  note.textContent = "looking…";
  try {
    const told = await ask("POST", "record", {model: find("#record-model").value.trim(), record_id: find("#record-id").value.trim()});
    const newest = (a, b) => b.written_at_ms - a.written_at_ms || b.offset - a.offset;
    fill(find("#record-events"), told.events.sort(newest).map(eventItem), "none");
    fill(find("#record-snapshots"), told.snapshots.sort(newest).map(snapshotItem), "none");
    note.textContent = `${number(told.looked_at)} messages were looked at` + (told.whole ? "." : "; older ones are in the topics.") +
      (told.erased ? " The record was erased: nothing from before is shown." : "");
  } catch (error) {
    note.textContent = error.message;
  }
}

export function startDesk(asks) {
  ask = asks;
  find("#letters-form").addEventListener("submit", (event) => { event.preventDefault(); readLetters(); });
  find("#letters-code").addEventListener("change", showLetters);
  find("#letters-model").addEventListener("change", showLetters);
  find("#replay").addEventListener("click", replay);
  find("#record-form").addEventListener("submit", lookUp);
}
