"use strict";
// Zoom, window, overlay, drawing a place, and single keys. Everything else is plain forms.
const by = (id) => document.getElementById(id);
const stage = by("stage"), sheet = by("sheet"), plain = by("plain"), box = by("box");
const overlay = by("overlay");
const view = { scale: 1, x: 0, y: 0 };
const MAX_SCALE = 8;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let drawing = false, from = null;

function press(button, on) { button.setAttribute("aria-pressed", String(on)); }
function isPressed(button) { return button.getAttribute("aria-pressed") === "true"; }
function clamp(value, low, high) { return Math.min(high, Math.max(low, value)); }

function place() {
  const w = stage.clientWidth * (view.scale - 1), h = stage.clientHeight * (view.scale - 1);
  view.x = clamp(view.x, -w, 0);
  view.y = clamp(view.y, -h, 0);
  sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
}
function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = clamp(view.scale * factor, 1, MAX_SCALE), ratio = scale / view.scale;
  view.x = x - (x - view.x) * ratio;
  view.y = y - (y - view.y) * ratio;
  view.scale = scale;
  place();
}
function gray() {
  const invert = isPressed(by("invert")) ? 1 : 0;
  plain.style.filter =
    `invert(${invert}) brightness(${by("brightness").value}%) contrast(${by("contrast").value}%)`;
}
function toggle(button, act) { press(button, !isPressed(button)); act(isPressed(button)); }
function showOverlay() {
  if (overlay) toggle(by("switch"), (on) => { overlay.hidden = !on; plain.hidden = on; showBox(); });
}

// The place, in percent of the film; the picture is the film, only smaller.
const fields = ["left", "top", "width", "height"].map(by);
function showBox() {
  if (!fields[0]) return;
  const values = fields.map((field) => parseFloat(field.value.replace(",", ".")));
  box.hidden = plain.hidden || !values.every(Number.isFinite);
  if (box.hidden) return;
  const image = plain;
  const [left, top, width, height] = values.map((value) => value / 100);
  box.style.left = `${image.offsetLeft + left * image.offsetWidth}px`;
  box.style.top = `${image.offsetTop + top * image.offsetHeight}px`;
  box.style.width = `${width * image.offsetWidth}px`;
  box.style.height = `${height * image.offsetHeight}px`;
}
function onFilm(event) {
  const frame = plain.getBoundingClientRect();
  return [clamp((event.clientX - frame.left) / frame.width, 0, 1),
          clamp((event.clientY - frame.top) / frame.height, 0, 1)];
}
function draw(on) {
  if (on && plain.hidden) showOverlay();  // the overlay has a legend below the film
  drawing = on;
  press(by("draw"), on);
  stage.classList.toggle("drawing", on);
}
function setBox([x0, y0], [x1, y1]) {
  const values = [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
  fields.forEach((field, i) => { field.value = (values[i] * 100).toFixed(1); });
  showBox();
}

if (stage) {
  by("tools").hidden = false;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    from = drawing ? onFilm(event) : [event.clientX - view.x, event.clientY - view.y];
  });
  stage.addEventListener("pointermove", (event) => {
    if (!from) return;
    if (drawing) { setBox(from, onFilm(event)); return; }
    view.x = event.clientX - from[0];
    view.y = event.clientY - from[1];
    place();
  });
  stage.addEventListener("pointerup", (event) => {
    if (from && drawing) {
      const to = onFilm(event);
      if (to[0] === from[0] || to[1] === from[1]) { from = null; return; }  // no box yet
      draw(false);
      const answer = document.querySelector("#verdict input[value=fracture]");
      answer.checked = true;
    }
    from = null;
  });
  stage.addEventListener("pointercancel", () => { from = null; });
  stage.addEventListener("keydown", (event) => {
    const step = MOVES[event.key];
    if (!step || view.scale === 1) return;  // then the arrows scroll the page
    event.preventDefault();
    view.x -= step[0] * stage.clientWidth / 8;
    view.y -= step[1] * stage.clientHeight / 8;
    place();
  });
  by("larger").addEventListener("click", () => zoom(1.5));
  by("smaller").addEventListener("click", () => zoom(1 / 1.5));
  by("whole").addEventListener("click", () => zoom(0));
  by("brightness").addEventListener("input", gray);
  by("contrast").addEventListener("input", gray);
  by("invert").addEventListener("click", () => toggle(by("invert"), gray));
  if (overlay) by("switch").addEventListener("click", showOverlay);
  plain.addEventListener("load", showBox);
  window.addEventListener("resize", () => { place(); showBox(); });
  showBox();
}
if (by("draw") && stage) {
  by("draw").hidden = false;
  by("draw").addEventListener("click", () => draw(!drawing));
  fields.forEach((field) => field.addEventListener("input", showBox));
}
function disagree() {
  const other = by("verdict").dataset.state === "fracture" ? "no_fracture" : "fracture";
  const answer = document.querySelector(`#verdict input[value=${other}]`);
  answer.checked = true;
  answer.focus();
}
if (by("disagree")) {
  by("disagree").hidden = false;
  by("disagree").addEventListener("click", disagree);
}

// Single keys can be switched off (WCAG 2.1.4), and are off where a person types.
const keys = by("keys");
const KEPT = "bonefx-keys";
if (keys) {
  keys.checked = localStorage.getItem(KEPT) !== "off";
  keys.addEventListener("change", () => localStorage.setItem(KEPT, keys.checked ? "on" : "off"));
}
const CLICKS = { n: "next", p: "previous", a: "agree", d: "disagree", o: "switch", i: "invert",
                 b: "draw", "+": "larger", "-": "smaller", "0": "whole" };
document.addEventListener("keydown", (event) => {
  if (event.repeat) return;  // a key held down would save a verdict many times
  const typing = event.target.matches("textarea, input:not([type=radio], [type=checkbox], [type=range])");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || (keys && !keys.checked)) return;
  const target = by(CLICKS[event.key]);
  if (target && !target.hidden) { event.preventDefault(); target.click(); }
});
