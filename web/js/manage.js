// Uploading and deleting models.

import { ask, bytes, h, showTrouble, troubleBox } from "./dom.js";

const encoder = new TextEncoder();

/** A header of a tar archive (ustar) for a file. */
function tarHeader(name, size) {
  const block = new Uint8Array(512);
  const put = (text, offset, room) => {
    const data = encoder.encode(text);
    if (data.length > room) throw new Error(`${name}: the name is too long for an archive`);
    block.set(data, offset);
  };
  const octal = (value, room) => `${value.toString(8).padStart(room - 1, "0")}\0`;
  let prefix = "", rest = name;
  while (encoder.encode(rest).length > 100 && rest.includes("/")) {
    const slash = rest.indexOf("/");
    prefix += (prefix && "/") + rest.slice(0, slash);
    rest = rest.slice(slash + 1);
  }
  put(rest, 0, 100);
  put(octal(0o644, 8), 100, 8);
  put(octal(0, 8), 108, 8);
  put(octal(0, 8), 116, 8);
  put(octal(size, 12), 124, 12);
  put(octal(Math.floor(Date.now() / 1000), 12), 136, 12);
  put("        0", 148, 9);
  put("ustar\x0000", 257, 8);
  put(prefix, 345, 155);
  put(octal(block.reduce((sum, byte) => sum + byte, 0), 7), 148, 8);
  return block;
}

/** A tar archive of [path, Blob], as a Blob: the files are not read into memory here. */
export function tar(files) {
  const parts = [];
  for (const [path, file] of files) parts.push(tarHeader(path, file.size), file, new Uint8Array((512 - (file.size % 512)) % 512));
  parts.push(new Uint8Array(1024));
  return new Blob(parts, { type: "application/x-tar" });
}

function field(text, input, hint) {
  return h("label", { class: "field" }, h("span", {}, text, hint ? ` – ${hint}` : ""), input);
}

const ways = {
  folder: {
    text: "A folder",
    make: () => {
      const input = h("input", { type: "file", webkitdirectory: "", required: true });
      return {
        element: field("Folder", input, "a bundle, a SavedModel, or files with a params.json; its name is the model's name"),
        request: () => {
          const files = [...input.files].filter((file) => !file.webkitRelativePath.split("/").some((part) => part.startsWith(".")));
          if (!files.length) throw new Error("choose a folder with files first");
          return { method: "POST", headers: { "Content-Type": "application/x-tar" }, body: tar(files.map((file) => [file.webkitRelativePath, file])) };
        },
      };
    },
  },
  archive: {
    text: "An archive",
    make: () => {
      const input = h("input", { type: "file", accept: ".tar,.gz,.tgz", required: true });
      return {
        element: field("Archive", input, "tar or tar.gz of the model's folder"),
        request: () => {
          if (!input.files.length) throw new Error("choose an archive first");
          const file = input.files[0];
          const zipped = /gz$/i.test(file.name);
          const headers = { "Content-Type": zipped ? "application/gzip" : "application/x-tar" };
          if (zipped) headers["Content-Encoding"] = "gzip";
          return { method: "POST", headers, body: file };
        },
      };
    },
  },
  files: {
    text: "Single files",
    make: () => {
      const name = h("input", { required: true, maxlength: "128", pattern: "[A-Za-z0-9_][A-Za-z0-9_.\\-]*", autocomplete: "off",
        title: "letters, digits, _ . -" });
      const model = h("input", { type: "file", accept: ".onnx,.pb,.ubj,.json", required: true });
      const labels = h("input", { type: "file", accept: ".txt" });
      const params = h("input", { type: "file", accept: ".json" });
      const description = h("input", { autocomplete: "off" });
      model.addEventListener("change", () => {
        if (!name.value && model.files.length) name.value = model.files[0].name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_.-]/g, "_");
      });
      return {
        element: h("div", {}, field("Model file", model, "ONNX, frozen graph or XGBoost"), field("Name", name),
          field("Labels", labels, "optional, one a line"), field("Description", description, "optional"),
          field("params.json", params, "optional, made from the above if absent")),
        request: () => {
          if (!model.files.length) throw new Error("choose a model file first");
          const made = { name: name.value, model: model.files[0].name, labels: labels.files.length ? labels.files[0].name : "", description: description.value };
          const form = new FormData();
          form.append("name", name.value);
          form.append("params", params.files.length ? params.files[0] : new Blob([JSON.stringify(made, null, 1)], { type: "application/json" }), "params.json");
          form.append("model", model.files[0]);
          form.append("labels", labels.files.length ? labels.files[0] : new Blob([""]), labels.files.length ? labels.files[0].name : "labels.txt");
          return { method: "POST", body: form };
        },
      };
    },
  },
};

/** Shows the dialog; `done` is called after an upload that went well. */
export function openUpload(dialog, done) {
  const trouble = troubleBox();
  const place = h("div", {});
  const button = h("button", { type: "submit", class: "primary" }, "Upload");
  let way;
  const choose = (key) => {
    way = ways[key].make();
    place.replaceChildren(way.element);
    showTrouble(trouble, null);
  };
  choose("folder");
  const send = async (event) => {
    event.preventDefault();
    showTrouble(trouble, null);
    button.disabled = true;
    try {
      const request = way.request();
      button.textContent = request.body.size ? `Sending ${bytes(request.body.size)}…` : "Sending…";
      await ask("upload", request);
      dialog.close();
      done();
    } catch (error) {
      showTrouble(trouble, error);
    }
    button.disabled = false;
    button.textContent = "Upload";
  };
  dialog.replaceChildren(
    h("h2", { id: "dialog-title" }, "Upload a model"),
    h("form", { onsubmit: send },
      h("fieldset", { class: "tabs" }, h("legend", { class: "hidden" }, "What to upload"),
        Object.entries(ways).map(([key, { text }], i) => h("label", {}, h("input", { type: "radio", name: "kind", value: key, checked: i === 0, onchange: () => choose(key) }), text))),
      place, h("p", { class: "muted" }, "The server tries the model before it takes it. A model of the same name is replaced."), trouble,
      h("div", { class: "row" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), button)));
  dialog.showModal();
}

/** Asks, deletes, and calls `done`. */
export function openDelete(dialog, name, done) {
  const trouble = troubleBox();
  const button = h("button", { type: "submit", class: "danger" }, "Delete");
  const remove = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await ask(`delete/${encodeURIComponent(name)}`, { method: "DELETE" });
      dialog.close();
      done();
    } catch (error) {
      showTrouble(trouble, error);
      button.disabled = false;
    }
  };
  dialog.replaceChildren(
    h("h2", { id: "dialog-title" }, `Delete ${name}?`),
    h("form", { onsubmit: remove },
      h("p", {}, "All its versions and files are removed from the server. Those who use it get an error from then on."), trouble,
      h("div", { class: "row" }, h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Keep it"), button)));
  dialog.showModal();
}
