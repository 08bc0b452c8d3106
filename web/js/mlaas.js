// The page: the list of models, one model's cards, and the state of the server. What the server says is asked for again
// every few seconds while the page is seen.

import { address, ask, bytes, duration, h, number, shape, showTrouble } from "./dom.js";
import { openDelete, openUpload } from "./manage.js";
import { tryCard } from "./try.js";

const EVERY = 10000; // ms between questions
const $ = (id) => document.getElementById(id);
const page = { models: [], readOnly: false, shown: null, asked: 0 };

// ---- the list ----

/** One entry per name: the default version's, which is the last one. */
function byName(entries) {
  const found = new Map();
  for (const entry of entries) found.set(entry.name, entry);
  return [...found.values()];
}

function showList() {
  const wanted = $("filter").value.trim().toLowerCase();
  const chosen = selected().name;
  const items = page.models.filter((model) => model.name.toLowerCase().includes(wanted)).map((model) =>
    h("li", {}, h("a", { href: `#${encodeURIComponent(model.name)}`, "aria-current": model.name === chosen ? "page" : null },
      h("span", { class: `dot ${model.state}`, title: model.state }), h("span", { class: "hidden" }, `${model.state}: `), model.name)));
  if (!items.length)
    items.push(h("li", {}, h("p", { class: "muted" }, page.models.length ? "No model is called so." : "No models yet. Upload one.")));
  $("models").replaceChildren(...items);
  const count = (state) => page.models.filter((model) => model.state === state).length;
  const broken = count("failed") ? `, ${count("failed")} broken` : "";
  $("summary").textContent = `${number(page.models.length)} ${page.models.length === 1 ? "model" : "models"}, ${count("ready")} loaded${broken}`;
}

async function refresh() {
  try {
    const { data } = await ask("repository");
    page.models = byName(data.models);
    page.readOnly = data.read_only;
    $("upload").hidden = page.readOnly;
    showTrouble($("trouble"), null);
    showList();
    const shown = page.models.find((model) => model.name === selected().name);
    if (page.shown && shown && shown.state !== page.shown.state) showModel();
  } catch (error) {
    $("summary").textContent = "";
    showTrouble($("trouble"), error);
  }
  try {
    showStatus((await ask("status")).data);
  } catch {
    $("status").replaceChildren();
  }
}

function showStatus(status) {
  const memory = status.Memory && status.Memory.Virtual;
  const facts = [
    ["up", status.Uptime === undefined ? null : duration(status.Uptime * 1000)],
    ["load", status.Load && number(status.Load.load1, 3)],
    ["memory", memory && memory.total ? `${bytes(memory.used)} of ${bytes(memory.total)}` : null],
    ["GET", number(status.getRequests)],
    ["POST", number(status.postRequests)],
  ];
  $("status").replaceChildren(...facts.filter(([, value]) => value).map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value))));
}

// ---- one model ----

/** #NAME or #NAME/VERSION */
function selected() {
  const [name, version] = location.hash.slice(1).split("/").map(decodeURIComponent);
  return { name: name || "", version: Number(version) || 0 };
}

function tensors(title, list) {
  if (!list || !list.length) return null;
  return h("div", {}, h("h3", {}, title), h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["name", "type", "shape"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, list.map((tensor) => h("tr", {}, h("td", {}, h("code", {}, tensor.name)), h("td", {}, tensor.dtype || tensor.datatype || ""),
      h("td", {}, shape(tensor.shape))))))));
}

function tensorCard(model) {
  const inputs = tensors("Inputs", model.inputs), outputs = tensors("Outputs", model.outputs);
  const labels = model.labels && model.labels.length ? h("div", {}, h("h3", {}, `Labels (${model.labels.length})`),
    h("ol", { class: "chips" }, model.labels.slice(0, 1000).map((label) => h("li", {}, label)))) : null;
  if (!inputs && !outputs && !labels) return null;
  return h("section", { class: "card" }, h("h2", {}, "What it takes and gives"), inputs, outputs, labels);
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return shown.length ? h("dl", { class: "facts" }, shown.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value)))) : null;
}

function metricsCard(model) {
  const list = facts(Object.entries(model.metrics || {}).filter(([, value]) => typeof value === "number" || typeof value === "string")
    .map(([key, value]) => [key.replace(/_/g, " "), number(value)]));
  return list && h("section", { class: "card" }, h("h2", {}, "How good it is"), list);
}

function useCard(model) {
  const { stats, loaded } = model;
  if (!stats || !loaded) return null;
  const mean = (sum, count) => (count ? duration(sum / count / 1e6) : null);
  return h("section", { class: "card", id: "use" }, h("h2", {}, "Since it was loaded"), facts([
    ["predictions", number(stats.succeeded)],
    ["failed", stats.failed + stats.rejected + stats.timed_out ? number(stats.failed + stats.rejected + stats.timed_out) : null],
    ["rows", number(stats.rows)],
    ["rows a run", stats.runs ? number(stats.rows / stats.runs, 3) : null],
    ["mean time", mean(stats.request_ns, stats.requests)],
    ["of it waiting", mean(stats.queue_ns, stats.requests)],
    ["a single row takes", loaded.cost_ns ? duration(loaded.cost_ns / 1e6) : null],
    ["loaded in", duration(loaded.seconds * 1000)],
  ]));
}

/** The counters again, after a prediction. */
async function refreshUse() {
  const { name, version } = selected();
  try {
    const { data } = await ask(`models/${encodeURIComponent(name)}${version ? `?version=${version}` : ""}`);
    const card = useCard(data);
    if ($("use") && card && selected().name === name) $("use").replaceWith(card);
  } catch {
    // the next refresh of the page will say what is wrong
  }
}

function filesCard(model) {
  const files = (model.files || []).slice().sort((a, b) => (a.name < b.name ? -1 : 1));
  if (!files.length || !model.folder) return null;
  return h("section", { class: "card" }, h("h2", {}, "Files"), h("div", { class: "scroll" }, h("table", {},
    h("tbody", {}, files.map((file) => h("tr", {},
      h("td", {}, h("a", { href: address("download", model.folder, file.name), download: file.name.split("/").pop() }, file.name)),
      h("td", { class: "number" }, bytes(file.size))))))));
}

/** Netron takes the file's address as the server knows it. */
function graphLink(model) {
  if (!model.graph || !model.folder) return null;
  const file = new URL(address("download", model.folder, model.graph)).pathname;
  const url = new URL("netron/", document.baseURI);
  url.search = new URLSearchParams({ url: file });
  return h("a", { class: "button", id: "graph", href: url.href, target: "_blank", rel: "noopener" }, "Graph");
}

/** What the training wrote about itself. */
function reportLink(model) {
  if (!model.folder || !(model.files || []).some((file) => file.name === "report.html")) return null;
  return h("a", { class: "button", id: "report", href: address("download", model.folder, "report.html"), target: "_blank", rel: "noopener" }, "Report");
}

function versionChoice(model) {
  const versions = model.versions || [];
  if (versions.length < 2) return h("span", { class: "badge" }, `version ${model.version}`);
  const choice = h("select", { "aria-label": "Version", onchange: () => (location.hash = `${encodeURIComponent(model.name)}/${choice.value}`) },
    versions.map((version) => h("option", { value: String(version.version), selected: version.version === model.version }, `version ${version.version}`)));
  return choice;
}

function titleCard(model) {
  const remove = page.readOnly ? null : h("button", { type: "button", class: "danger", id: "delete",
    onclick: () => openDelete($("dialog"), model.name, () => { location.hash = ""; refresh(); }) }, "Delete");
  return h("section", { class: "card" },
    h("div", { class: "title" }, h("h1", {}, model.name), h("span", { class: `badge ${model.state}` }, model.state), versionChoice(model),
      model.back_end && h("span", { class: "badge" }, model.back_end), model.bundle && h("span", { class: "badge" }, "bundle"),
      h("span", { class: "push" }, reportLink(model), graphLink(model), remove)),
    model.description && h("p", {}, model.description),
    model.timestamp && h("p", { class: "muted" }, model.timestamp),
    model.reason && h("p", { class: "trouble", role: "alert" }, model.reason),
    model.warning && h("p", { class: "warning" }, model.warning));
}

/** Side by side where there is room: the first card, and the others below each other. */
function pair(first, ...others) {
  const rest = others.filter(Boolean);
  return h("div", { class: "pair" }, first, rest.length ? h("div", {}, rest) : null);
}

async function showModel() {
  const { name, version } = selected();
  const asked = ++page.asked;
  showList();
  page.shown = null;
  document.title = name ? `${name} · MLaaS4HEP` : "Models · MLaaS4HEP";
  if (!name) {
    $("model").replaceChildren(h("section", { class: "card" }, h("h1", {}, "The models of this server"),
      h("p", {}, "Choose one to see what it takes and gives, how good it is, its graph and its files, and to try a prediction.")));
    return;
  }
  if (!$("model").dataset.name || $("model").dataset.name !== name)
    $("model").replaceChildren(h("section", { class: "card" }, h("h1", {}, name), h("p", { class: "muted", role: "status" }, "Opening…")));
  $("model").dataset.name = name;
  try {
    const query = new URLSearchParams({ load: "1", ...(version ? { version } : {}) });
    const { data: model } = await ask(`models/${encodeURIComponent(name)}?${query}`);
    if (asked !== page.asked) return; // another one was chosen meanwhile
    page.shown = model;
    for (const entry of page.models) if (entry.name === name && (!version || entry.version === version)) entry.state = model.state;
    showList();
    $("model").replaceChildren(...[titleCard(model), model.state === "failed" ? null : tryCard(model, version, refreshUse),
      pair(tensorCard(model), metricsCard(model), useCard(model)), filesCard(model)].filter(Boolean));
  } catch (error) {
    if (asked !== page.asked) return;
    const box = h("p", { class: "trouble", role: "alert" });
    showTrouble(box, error);
    $("model").replaceChildren(h("section", { class: "card" }, h("h1", {}, name), box));
  }
}

$("filter").addEventListener("input", showList);
$("upload").addEventListener("click", () => openUpload($("dialog"), () => refresh().then(showModel)));
window.addEventListener("hashchange", () => {
  showModel();
  $("model").focus({ preventScroll: window.innerWidth > 736 });
});
setInterval(() => document.hidden || refresh(), EVERY);
await refresh();
showModel();
