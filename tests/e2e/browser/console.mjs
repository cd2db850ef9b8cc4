// Walks through the console in a real Chromium and prints what it saw, as JSON. test_console.py judges it.
//   node console.mjs CHROMIUM URL TOKEN FOLDER MODEL RECORD

import {createRequire} from "node:module";

const [chromium_path, url, token, folder, model, record] = process.argv.slice(2);
const {chromium} = createRequire(`${process.cwd()}/`)("playwright-core");
const WAIT = {timeout: 30000};
const seen = {problems: [], requests: []};

const browser = await chromium.launch({executablePath: chromium_path, args: ["--no-sandbox", "--disable-gpu"]});

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT.timeout);
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) seen.problems.push(message.text()); });
  page.on("pageerror", (error) => seen.problems.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector("#ready").textContent === "ready");
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const view = async (page, name) => { await page.click(`nav a[href="#${name}"]`); await page.waitForSelector(`#${name}:not([hidden])`); };
const shoot = (page, name) => page.screenshot({path: `${folder}/${name}.png`, fullPage: true});

const page = await open({viewport: {width: 1200, height: 900}, colorScheme: "light"});
await page.waitForFunction(() => document.querySelector("[data-rate=snapshots]").textContent !== "–");
await page.waitForFunction(() => document.querySelectorAll("#charts figure").length === 8);
seen.flow = Object.fromEntries(await page.locator("[data-now]").evaluateAll((all) => all.map((one) => [one.dataset.now, one.textContent])));
seen.conditions = await page.locator("#conditions li").allInnerTexts();
seen.charts = await page.locator("#charts svg").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
seen.unlabelled = await page.evaluate(() => [...document.querySelectorAll("input, select")].filter((one) => !one.closest("label")).length);
await shoot(page, "flow-light");

await view(page, "integrations");
await page.waitForSelector("#standings tbody td.id");
seen.standings = await page.locator("#standings tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
await page.click('#standings [data-sort="model"]');
seen.sorted = await page.locator("#standings tbody tr td:nth-child(2)").allInnerTexts();
await page.fill("#standings-filter", "no such integration");
seen.filtered = await text(page, "#standings tbody");
await page.fill("#standings-filter", "");
await shoot(page, "integrations-light");

await view(page, "backfills");
await page.waitForSelector("#backfills-list progress");
await page.waitForFunction(() => document.querySelector("#backfills-list").innerText.includes("done"));
seen.backfills = await page.locator("#backfills-list li").allInnerTexts();
await shoot(page, "backfills-light");

await view(page, "letters");
await page.waitForSelector("#letters-table tbody td.id");
seen.letters = await page.locator("#letters-table tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
seen.codes = await page.locator("#letters-code option").allInnerTexts();
await page.selectOption("#letters-code", seen.codes.at(-1));
seen.chosen = await page.locator("#letters-table tbody tr").count();
await shoot(page, "letters-light");
await page.click("#replay");
await page.waitForSelector("#token-dialog[open]");
await page.keyboard.type("not the token");
await page.keyboard.press("Enter");
await page.waitForFunction(() => document.querySelector("#letters-note").textContent.includes("admin.token"));
seen.refused = await text(page, "#letters-note");
await page.click("#replay");
await page.waitForSelector("#token-dialog[open]");
await page.keyboard.type(token);
await page.keyboard.press("Enter");
await page.waitForSelector("#replay-dialog[open]");
seen.plan = await text(page, "#replay-text");
await shoot(page, "replay-light");
await page.click('#replay-dialog button[value="ok"]');
await page.waitForFunction(() => document.querySelector("#letters-note").textContent.includes("were sent back"));
seen.replayed = await text(page, "#letters-note");

await view(page, "record");
await page.fill("#record-model", model);
await page.fill("#record-id", record);
await page.keyboard.press("Enter");
await page.waitForFunction(() => document.querySelector("#record-note").textContent.includes("looked at"));
seen.events = await page.locator("#record-events li").allInnerTexts();
seen.snapshots = await page.locator("#record-snapshots li").allInnerTexts();
await shoot(page, "record-light");

// By keyboard alone: to the content, through the views, each place with a ring around it.
await page.goto(url);
await page.keyboard.press("Tab");
seen.first_focus = await page.evaluate(() => document.activeElement.className);
for (let i = 0; i < 12 && seen.letters_by_keyboard === undefined; i++) {
  await page.keyboard.press("Tab");
  if (await page.evaluate(() => document.activeElement.hash) === "#letters") {
    seen.ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    await page.keyboard.press("Enter");
    seen.letters_by_keyboard = await page.locator("#letters").isVisible();
  }
}

const dark = await open({viewport: {width: 1200, height: 900}, colorScheme: "dark"});
await dark.waitForFunction(() => document.querySelectorAll("#charts figure").length === 8);
seen.grounds = await Promise.all([page, dark].map((one) => one.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)));
await shoot(dark, "flow-dark");
await view(dark, "letters");
await dark.waitForSelector("#letters-table tbody td.id");
await shoot(dark, "letters-dark");

const narrow = await open({viewport: {width: 360, height: 740}, colorScheme: "light"});
await narrow.waitForFunction(() => document.querySelectorAll("#charts figure").length === 8);
seen.widths = {};
for (const name of ["flow", "integrations", "backfills", "letters", "record"]) {
  await view(narrow, name);
  seen.widths[name] = await narrow.evaluate(() => document.documentElement.scrollWidth);
  await shoot(narrow, `${name}-narrow`);
}

await browser.close();
console.log(JSON.stringify(seen));
