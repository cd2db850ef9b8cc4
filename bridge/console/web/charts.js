// Charts of the last hour, as SVG. A gap in the samples is a gap in the curve.

import {element, number, rate, span} from "./format.js";

const WIDTH = 360, HEIGHT = 100, HOUR = 3600e3, GAP = 45e3;
const SVG = "http://www.w3.org/2000/svg";

const CHARTS = [
  {title: "Webhooks kept a second", series: "webhooks", counter: true, show: rate},
  {title: "Snapshots a second", series: "snapshots", counter: true, show: rate},
  {title: "Records waiting", series: "waiting", show: number},
  {title: "Oldest live change", series: "oldest_live_us", scale: 1e-3, show: span},
  {title: "API requests a minute", series: "requests", counter: true, scale: 60, show: rate},
  {title: "Budget left this minute", series: "budget_left", show: number},
  {title: "Lag in Kafka", series: "lag", show: number},
  {title: "Dead letters a minute", series: "dead_letters", counter: true, scale: 60, show: rate},
];

// [[age in ms, value]...]: of a counter its rise a second since the sample before, nothing after a restart or a gap.
export function points(ages, values, chart) {
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if (!chart.counter) found.push([ages[i], values[i] * (chart.scale ?? 1)]);
    else if (i > 0 && values[i] >= values[i - 1] && ages[i - 1] - ages[i] < GAP && ages[i - 1] > ages[i])
      found.push([ages[i], (values[i] - values[i - 1]) / (ages[i - 1] - ages[i]) * 1e3 * (chart.scale ?? 1)]);
  }
  return found;
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function draw(found, most) {
  const place = ([age, value]) => `${((1 - age / HOUR) * WIDTH).toFixed(1)},${(HEIGHT - value / most * (HEIGHT - 6)).toFixed(1)}`;
  const runs = [];
  found.forEach((point, i) => {
    if (i === 0 || found[i - 1][0] - point[0] > GAP) runs.push([]);
    runs.at(-1).push(point);
  });
  return runs.flatMap((run) => {
    const line = run.map(place).join(" ");
    const x = (point) => place(point).split(",")[0];
    return [svg("polygon", {class: "area", points: `${x(run[0])},${HEIGHT} ${line} ${x(run.at(-1))},${HEIGHT}`}),
      svg("polyline", {class: "curve", points: line})];
  });
}

export function drawCharts(parent, hour) {
  parent.replaceChildren(...CHARTS.map((chart) => {
    const found = points(hour.ages_ms, hour.series[chart.series], chart).filter(([age, value]) => age <= HOUR && value >= 0);
    const most = Math.max(...found.map(([, value]) => value), 0);
    const now = found.length ? chart.show(found.at(-1)[1]) : "–";
    const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${chart.title}: now ${now}, at most ${chart.show(most)} in the last hour`});
    for (const y of [0.5, HEIGHT / 2, HEIGHT - 0.5]) picture.append(svg("line", {class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y}));
    picture.append(...draw(found, most || 1));
    return element("figure", {"data-series": chart.series},
      element("figcaption", {}, chart.title, element("b", {}, `${now} · most ${chart.show(most)}`)), picture);
  }));
}
