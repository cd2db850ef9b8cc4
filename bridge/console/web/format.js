// Numbers, spans of time and elements: what all views share.

export function number(value) {
  if (value === undefined || value === null) return "–";
  if (Math.abs(value) >= 1e6) return (value / 1e6).toFixed(2) + " M";
  return Math.round(value).toLocaleString("en");
}

export function rate(value) {
  if (value === undefined || Number.isNaN(value)) return "–";
  return value >= 100 ? number(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2).replace(/\.?0+$/, "") || "0";
}

export function span(ms) {
  if (ms === undefined || ms === null) return "–";
  const s = ms / 1000;
  if (s < 1) return s <= 0 ? "0 s" : `${Math.round(ms)} ms`;
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${Math.round(s / 86400)} days`;
}

export function moment(ms) {
  return ms > 0 ? new Date(ms).toISOString().replace("T", " ").slice(0, 19) + " UTC" : "–";
}

// element("td", {class: "id"}, "text", child...): texts become text nodes, never markup.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export const find = (selector) => document.querySelector(selector);

export function fill(parent, children, empty) {
  parent.replaceChildren(...children);
  if (children.length === 0 && empty) parent.append(element(parent.tagName === "TBODY" ? "tr" : "li", {},
    parent.tagName === "TBODY" ? element("td", {colspan: 9, class: "note"}, empty) : empty));
}
