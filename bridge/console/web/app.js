// The page: which view is shown, asking the bridge every two seconds, the token.

import {drawCharts} from "./charts.js";
import {readLetters, startDesk} from "./desk.js";
import {find} from "./format.js";
import {showBoard, showFlow, startViews} from "./views.js";

const EVERY_MS = 2000, HOUR_EVERY_MS = 10000;
const VIEWS = ["flow", "integrations", "backfills", "letters", "record"];

let token = "";
let drawnAt = 0;

async function answerOf(method, name, body) {
  return fetch(name, {
    method, cache: "no-store", body: body && JSON.stringify(body),
    headers: {...(body && {"Content-Type": "application/json"}), ...(token && {Authorization: `Bearer ${token}`})},
  });
}

function askForToken() {
  const dialog = find("#token-dialog");
  find("#token").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    if (dialog.returnValue === "ok") token = find("#token").value;
    resolve(dialog.returnValue === "ok");
  }, {once: true}));
}

// JSON, or an Error with the bridge's sentence. Where it asks for the token, so does this page.
async function ask(method, name, body) {
  let answer = await answerOf(method, name, body);
  if (answer.status === 401 && await askForToken()) answer = await answerOf(method, name, body);
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  if (answer.status === 401) token = "";
  throw new Error(told.error?.message ?? `the bridge answers ${answer.status}`);
}

let shown = "flow";

function show() {
  const name = location.hash.slice(1);
  if (VIEWS.includes(name)) shown = name;
  else if (name) return; // the link to the content is no view
  showView(shown);
}

function showView(name) {
  for (const view of VIEWS) find(`#${view}`).hidden = view !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "letters") readLetters();
}

async function look() {
  const problem = find("#problem");
  try {
    const [flow, board] = await Promise.all([ask("GET", "flow"), ask("GET", "board")]);
    showFlow(flow);
    showBoard(board, flow.wall_ms, flow.parts);
    find("#token-button").hidden = !flow.takes_token;
    find("#replay").disabled = !flow.takes_token;
    find("#replay").title = flow.takes_token ? "" : "admin.token is not set: nothing can be changed here";
    find("#record-form").hidden = !flow.shows_records || !flow.takes_token;
    find("#record-off").hidden = flow.shows_records && flow.takes_token;
    if (performance.now() - drawnAt > HOUR_EVERY_MS || drawnAt === 0) {
      drawCharts(find("#charts"), await ask("GET", "history"));
      drawnAt = performance.now();
    }
    problem.hidden = true;
  } catch (error) {
    problem.textContent = `The bridge does not answer (${error.message}). What is shown is old.`;
    problem.hidden = false;
    find("#ready").textContent = "no answer";
    find("#ready").className = "badge bad";
  }
  setTimeout(look, document.hidden ? EVERY_MS * 5 : EVERY_MS);
}

startViews();
startDesk(ask);
addEventListener("hashchange", show);
find("#token-button").addEventListener("click", askForToken);
show();
look();
