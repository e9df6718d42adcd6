"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const NAMES = { image: "image alone", text: "caption alone" };
let model = null;
let picture = null;

function make(tag, { text = "", ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

async function ask(address, options = {}) {
  const headers = $("token").value ? { Authorization: `Bearer ${$("token").value}` } : {};
  let response;
  try {
    response = await fetch(address, { ...options, headers });
  } catch {
    throw new Error("The service did not answer; it may have stopped, or refused what was sent.");
  }
  if (response.status === 401) {
    $("token-label").hidden = false;
    throw new Error("This service needs its token. Type it into its field.");
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(sentence(document.error || `status ${response.status}`));
  return document;
}

const sentence = (error) =>
  error.split("; ").map((part) => part[0].toUpperCase() + part.slice(1)).join(". ") + ".";

const percent = (share) => {
  const value = 100 * share;
  if (value > 0 && value < 0.001) return "< 0.001 %";
  return `${value.toFixed(value > 0 && value < 0.1 ? 3 : 1)} %`;
};

async function load() {
  try {
    model = await ask("model");
  } catch (error) {
    return fail(error.message, model === null ? "token" : null);
  }
  $("error").hidden = true;
  $("name").textContent = model.name;
  document.title = `${model.name} · mmfeat`;
  const takes = (what) => model.takes.includes(what);
  for (const element of document.querySelectorAll(".for-image")) element.hidden = !takes("image");
  for (const element of document.querySelectorAll(".for-text")) element.hidden = !takes("text");
  $("about").textContent = `${model.labels.length} labels; decided by ${model.decision}.`;
  if (Object.keys(model.embeddings).length) {
    $("form").hidden = true;
    $("empty").textContent = "This model takes embeddings, which cannot be typed. Send them as JSON to /predict.";
    return;
  }
  showExamples();
}

function showExamples() {
  $("examples").querySelectorAll("button").forEach((button) => button.remove());
  $("examples").hidden = model.examples.length === 0;
  for (const example of model.examples) {
    const button = make("button", { type: "button", class: "example" });
    if (example.picture) button.append(make("img", { src: example.picture, alt: "" }));
    if (example.caption) button.append(make("span", { text: example.caption }));
    button.setAttribute("aria-label", `Try: ${example.caption || "this picture"}`);
    button.addEventListener("click", async () => {
      const bytes = example.picture ? await (await fetch(example.picture)).blob() : null;
      setPicture(bytes);
      $("caption").value = example.caption;
      predict();
    });
    $("examples").append(button);
  }
}

function setPicture(file) {
  URL.revokeObjectURL($("preview").src);
  picture = file;
  $("preview").hidden = $("remove").hidden = !file;
  $("file").hidden = true;
  $("image-hint").hidden = Boolean(file);
  if (!file) {
    $("image").value = "";
    $("preview").removeAttribute("src");
    return;
  }
  $("file").textContent = file.name || "";
  $("preview").src = URL.createObjectURL(file);
  $("preview").alt = file.name ? `The chosen picture, ${file.name}` : "The chosen picture";
}

function fail(message, focused = null) {
  $("error").textContent = message;
  $("error").hidden = false;
  $("answer").hidden = $("empty").hidden = true;
  if (focused) $(focused).focus();
  else reveal();
}

function reveal() {
  if (matchMedia("(max-width: 44rem)").matches) $("result").scrollIntoView({ block: $("answer").hidden ? "nearest" : "start" });
}

async function predict() {
  if (model === null) await load();
  if (model === null) return;
  const caption = $("caption").value.trim();
  if (!picture && !caption) {
    const wanted = model.takes.map((name) => (name === "image" ? "a picture" : "a caption"));
    return fail(`Give ${wanted.join(" or ")} first.`, model.takes.includes("text") ? "caption" : "image");
  }
  if (picture && picture.size > 0.99 * model.max_bytes) {
    return fail(`The picture has ${(picture.size / 1e6).toFixed(1)} MB. Up to ${(model.max_bytes / 1e6).toFixed(1)} MB are taken.`);
  }
  if (caption.length > model.max_caption) {
    return fail(`The caption has ${caption.length} characters. Up to ${model.max_caption} are taken.`, "caption");
  }
  const form = new FormData();
  if (picture) form.append("image", picture, "picture");
  if (caption) form.append("caption", caption);
  $("send").disabled = true;
  $("result").setAttribute("aria-busy", "true");
  try {
    show((await ask("predict?alone=true", { method: "POST", body: form })).rows[0]);
  } catch (error) {
    fail(error.message);
  } finally {
    $("send").disabled = false;
    $("result").setAttribute("aria-busy", "false");
  }
}

function show(row) {
  $("error").hidden = $("empty").hidden = true;
  $("answer").hidden = false;
  $("predicted").replaceChildren(
    ...row.predicted.map((label) => make("span", { class: "chip", text: label })),
    ...(row.predicted.length ? [] : ["No label is predicted."]),
  );
  const alone = Object.keys(row.labels[0].alone);
  const cuts = row.labels[0].threshold === null ? [] : [["threshold", "threshold"]];
  const key = [["both", "score"], ...cuts, ...alone.map((name) => [name, NAMES[name] || name])];
  $("key").replaceChildren(...key.map(([kind, text]) => make("li", {}, make("i", { class: kind }), text)));
  $("labels").replaceChildren(...row.labels.map(showLabel));
  const rest = model.labels.length - row.labels.length;
  $("note").textContent = rest > 0 ? `${rest} less probable labels are not shown.` : "";
  reveal();
}

function showLabel(scored) {
  const cuts = scored.threshold !== null;
  const bar = draw("svg", { class: "bar", "aria-hidden": "true" });
  const at = (share) => `${100 * share}%`;
  bar.append(
    draw("rect", { class: "track", x: 0, y: 4, width: "100%", height: 8, rx: 4 }),
    draw("rect", { class: "fill", x: 0, y: 4, width: at(scored.probability), height: 8, rx: 4 }),
    ...(cuts ? [draw("rect", { class: "threshold", x: at(scored.threshold), y: 0, width: 2, height: 16 })] : []),
    ...Object.entries(scored.alone).map(([name, share]) =>
      draw("circle", { class: name, cx: at(share), cy: 8, r: 4.5 })),
  );
  const told = Object.entries(scored.alone).map(([name, share]) =>
    make("span", { text: `${NAMES[name] || name} ${percent(share)}` }));
  return make("li", { class: scored.predicted ? "predicted" : "" },
    make("span", { class: "label", text: scored.label }),
    make("span", { class: "numbers" },
      make("b", { text: percent(scored.probability) }),
      ...(cuts ? [make("span", { class: "soft", text: ` threshold ${percent(scored.threshold)}` })] : [])),
    bar,
    ...(told.length ? [make("div", { class: "alone" }, ...told)] : []));
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
$("image").addEventListener("change", () => $("image").files[0] && setPicture($("image").files[0]));
$("preview").addEventListener("error", () => {
  $("preview").hidden = true;
  $("file").hidden = false;
});
$("remove").addEventListener("click", () => { setPicture(null); $("image").focus(); });
$("token").addEventListener("change", load);
$("caption").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) predict();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("drop", (event) => {
  const file = event.dataTransfer.files[0];
  if (file) { setPicture(file); predict(); }
});
load();
