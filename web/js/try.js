// A prediction from the page: a field for each branch where the model has a recipe, a list of numbers for any model, a
// file for models of images.

import { ask, duration, h, number, shape, showTrouble, troubleBox } from "./dom.js";

/** Branches that the recipe reads, each once, with a typical value of the training. */
export function branches(recipe) {
  const found = new Map();
  for (const input of (recipe && recipe.inputs) || [])
    for (const column of input.columns || []) {
      if (found.has(column.branch)) continue;
      const width = column.width || (input.kind === "padded" ? input.slots : 0);
      found.set(column.branch, { name: column.branch, list: width > 0, width, typical: typical(column) });
    }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function typical(column) {
  const whole = "iIlLsScCbB".includes((column.type || "f")[0]);
  let value = 0;
  if (typeof column.mean === "number") value = column.mean;
  else if (typeof column.min === "number" && typeof column.max === "number") value = (column.min + column.max) / 2;
  return whole ? Math.round(value) : Number(value.toPrecision(4));
}

/** Height, width and channels if the first input is a picture. */
export function picture(model) {
  const input = (model.inputs || [])[0];
  const dimensions = input && input.shape;
  if (!dimensions || dimensions.length !== 4) return null;
  const [, height, width, channels] = dimensions;
  return [1, 3, 4].includes(channels) || model.img_channels ? { height, width, channels } : null;
}

/** Numbers of a text: separated by commas, blanks or lines, brackets ignored. */
export function numbers(text) {
  const parts = text.replace(/[[\](){}]/g, " ").split(/[\s,;]+/).filter((part) => part !== "");
  return parts.map((part) => {
    const value = Number(part);
    if (part.toLowerCase() === "null" || part.toLowerCase() === "nan") return null;
    if (!Number.isFinite(value)) throw new Error(`${part} is not a number`);
    return value;
  });
}

function fieldsOf(list) {
  const inputs = list.map((branch) =>
    h("input", {
      name: branch.name, value: String(branch.typical), autocomplete: "off", spellcheck: "false",
      inputmode: branch.list ? "text" : "decimal", placeholder: branch.list ? "1.5, 2, …" : "missing",
    }),
  );
  const labels = list.map((branch, i) =>
    h("label", {}, h("span", {}, branch.name, branch.list ? ` (list, up to ${branch.width})` : ""), inputs[i]),
  );
  return {
    element: h("div", { class: "fields" }, labels),
    reset: () => list.forEach((branch, i) => (inputs[i].value = String(branch.typical))),
    clear: () => inputs.forEach((input) => (input.value = "")),
    body: () => {
      const keys = [], values = [];
      list.forEach((branch, i) => {
        const text = inputs[i].value.trim();
        if (text === "" && !branch.list) return; // missing
        let given;
        try {
          given = numbers(text);
          if (!branch.list && given.length !== 1) throw new Error("one number is needed");
        } catch (error) {
          inputs[i].focus();
          throw new Error(`${branch.name}: ${error.message}`);
        }
        keys.push(branch.name);
        values.push(branch.list ? given : given[0]);
      });
      return { keys, values };
    },
  };
}

function vectorOf(model) {
  const input = (model.inputs || [])[0];
  const width = input && Array.isArray(input.shape) ? input.shape.slice(1).reduce((a, b) => a * Math.max(b, 1), 1) : 0;
  const text = h("textarea", { spellcheck: "false", "aria-label": "Values", placeholder: "0.1, 0.2, …" });
  const fill = () => (text.value = Array.from({ length: Math.min(width || 4, 100000) }, (_, i) => ((i % 10) + 1) / 10).join(", "));
  fill();
  return {
    element: h("div", {},
      h("p", { class: "muted" }, width ? `${number(width)} numbers` : "Numbers", input ? ` for ${input.name} (${shape(input.shape)})` : "",
        ", separated by commas or blanks."), text),
    reset: fill,
    clear: () => (text.value = ""),
    body: () => ({ values: numbers(text.value) }),
  };
}

function pictureOf(size, model) {
  const file = h("input", { type: "file", accept: "image/png,image/jpeg", "aria-label": "Picture" });
  const channels = size.channels > 0 ? size.channels : model.img_channels;
  return {
    element: h("div", {},
      h("p", { class: "muted" }, `A PNG or JPEG file of ${size.height > 0 ? `${size.width} × ${size.height}` : "any number of"} pixels`,
        channels === 1 ? ", taken as grey." : ", taken as colours."), file),
    reset: () => (file.value = ""),
    clear: () => (file.value = ""),
    form: () => {
      if (!file.files.length) throw new Error("choose a picture first");
      const form = new FormData();
      form.append("model", model.name);
      form.append("image", file.files[0]);
      return form;
    },
  };
}

/** Rows of {label, score} from any form of reply. */
export function scores(data, labels) {
  if (data && Array.isArray(data.labels)) // pictures of frozen graphs: the five best
    return data.labels.map((entry) => ({ label: entry.label, score: entry.probability }));
  let values = Array.isArray(data) ? data.flat(Infinity) : null;
  if (!values && data && data.outputs) values = Object.values(data.outputs).flat(Infinity);
  if (!values || values.some((value) => typeof value === "object" && value !== null)) return null;
  const named = labels && labels.length === values.length;
  return values.map((score, i) => ({ label: named ? labels[i] : values.length === 1 ? "score" : String(i), score }));
}

function answer(place, model, outcome) {
  const rows = scores(outcome.data, model.labels);
  const used = outcome.reply.headers.get("X-Mlaas-Input");
  const facts = [`${duration(outcome.milliseconds)} there and back`, used ? `input taken as ${used}` : null];
  const children = [];
  if (rows && rows.length === 1) {
    children.push(h("p", { class: "score" }, number(rows[0].score, 8)));
    const sure = rows[0].score >= 0 && rows[0].score <= 1;
    if (sure && model.labels && model.labels.length === 2) facts.unshift(`near 1 means ${model.labels[1]}, near 0 ${model.labels[0]}`);
  } else if (rows && rows.length) {
    const best = Math.max(...rows.map((row) => row.score));
    const probable = rows.every((row) => row.score >= 0 && row.score <= 1);
    children.push(h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "class"), h("th", { scope: "col", class: "number" }, "score"), probable && h("th", {}, ""))),
      h("tbody", {}, rows.slice(0, 1000).map((row) => h("tr", {},
        h("td", {}, row.score === best ? h("strong", {}, row.label) : row.label),
        h("td", { class: "number" }, number(row.score, 8)),
        probable && h("td", {}, h("meter", { min: 0, max: 1, value: row.score, "aria-label": `score of ${row.label}` })),
      ))))));
  } else if (outcome.text === "") children.push(h("p", { class: "warning" }, "The reply is empty: the score is not a finite number."));
  children.push(h("p", { class: "muted" }, facts.filter(Boolean).join(" · ")),
    h("details", {}, h("summary", {}, "Reply as sent"), h("pre", {}, outcome.text.slice(0, 20000))));
  place.replaceChildren(...children);
  place.hidden = false;
}

/** The card with the form; `done` is called after each prediction. */
export function tryCard(model, version, done) {
  const list = branches(model.recipe);
  const size = picture(model);
  const ways = [];
  if (list.length) ways.push(["features", "Raw features", fieldsOf(list)]);
  if (size) ways.push(["picture", "Picture", pictureOf(size, model)]);
  ways.push(["values", list.length ? "Normalised values" : "Values", vectorOf(model)]);

  let [chosen, , way] = ways[0];
  const place = h("div", {}, way.element);
  const trouble = troubleBox();
  const result = h("div", { class: "answer", role: "status", id: "answer", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, "Predict");
  const command = h("pre", {});
  const body = () => {
    const made = { ...way.body(), model: model.name };
    if (chosen === "values" && list.length) made.input = "normalised";
    if (version) made.model_version = version;
    return JSON.stringify(made);
  };
  const showCommand = () => {
    try {
      command.textContent = way.form
        ? `curl -F model=${model.name} -F image=@picture.png ${new URL("image", document.baseURI)}`
        : `curl -H 'Content-Type: application/json' ${new URL("json", document.baseURI)} \\\n  -d '${body()}'`;
    } catch (error) {
      command.textContent = error.message;
    }
  };
  const choose = (index) => {
    [chosen, , way] = ways[index];
    place.replaceChildren(way.element);
    result.hidden = true;
    showTrouble(trouble, null);
  };
  const predict = async (event) => {
    event.preventDefault();
    showTrouble(trouble, null);
    button.disabled = true;
    try {
      const options = way.form ? { method: "POST", body: way.form() }
        : { method: "POST", headers: { "Content-Type": "application/json" }, body: body() };
      answer(result, model, await ask(way.form ? "image" : "json", options));
    } catch (error) {
      result.hidden = true;
      showTrouble(trouble, error);
    }
    button.disabled = false;
    done();
  };
  return h("section", { class: "card", "aria-labelledby": "try-title" },
    h("h2", { id: "try-title" }, "Try a prediction"),
    h("form", { onsubmit: predict },
      ways.length > 1 && h("fieldset", { class: "tabs" }, h("legend", { class: "hidden" }, "What to send"),
        ways.map(([key, text], i) => h("label", {}, h("input", { type: "radio", name: "way", value: key, checked: i === 0, onchange: () => choose(i) }), text))),
      place,
      h("div", { class: "row" }, button,
        h("button", { type: "button", onclick: () => way.reset() }, list.length ? "Typical values" : "Reset"),
        h("button", { type: "button", onclick: () => way.clear() }, "Clear")),
      trouble, result,
      h("details", { ontoggle: showCommand }, h("summary", {}, "The same with curl"), command)));
}
