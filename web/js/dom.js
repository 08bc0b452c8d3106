// Elements, requests and numbers: what the other scripts share. Text from the server only ever becomes text nodes.

/** Makes an element: h("a", {href: "x", onclick: f, class: "c"}, "text", child, null). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** What went wrong with a request, in words for people. */
export class Trouble extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The address of something of this server, wherever it is mounted. */
export function address(...parts) {
  return new URL(parts.map((part) => part.split("/").map(encodeURIComponent).join("/")).join("/"), document.baseURI).href;
}

/** Asks; gives {reply, data, text, milliseconds}; data is null where the reply is no JSON. Throws Trouble. */
export async function ask(path, options = {}) {
  const began = performance.now();
  let reply, text;
  try {
    reply = await fetch(new URL(path, document.baseURI), { cache: "no-store", ...options });
    text = await reply.text();
  } catch {
    throw new Trouble("The server does not answer. Is it running, and can this machine reach it?", 0);
  }
  const milliseconds = performance.now() - began;
  let data = null;
  try {
    data = JSON.parse(text);
  } catch {
    // not every reply is JSON
  }
  if (!reply.ok) {
    const said = (data && typeof data.error === "string" && data.error) || text.trim().slice(0, 500) || reply.statusText;
    const wait = reply.headers.get("Retry-After");
    throw new Trouble(`${said}${wait ? ` (again in ${wait} s)` : ""}`, reply.status);
  }
  return { reply, data, text, milliseconds };
}

export function showTrouble(place, trouble) {
  place.replaceChildren(trouble ? `${trouble.message}${trouble.status ? ` [${trouble.status}]` : ""}` : "");
  place.hidden = !trouble;
}

/** A box for what goes wrong in one part of the page. */
export function troubleBox() {
  return h("div", { class: "trouble", role: "alert", hidden: true });
}

export function number(value, digits = 6) {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return value.toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toPrecision(3) : value} ${units[unit]}`;
}

export function duration(milliseconds) {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${Number(milliseconds.toPrecision(3))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const shape = (dimensions) =>
  Array.isArray(dimensions) && dimensions.length ? dimensions.map((n) => (n < 0 ? "any" : n)).join(" × ") : "scalar";
