"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const ROW = 22, MOST = 128;  // pixels of a line of text; of a small map

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// === Weights: of each head whole rows, or of each row the largest ================================

function bytesOf(text) {
  const chars = atob(text), found = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) found[i] = chars.charCodeAt(i);
  return found;
}

function reader() {
  const { kept, pieces, layers, heads } = data, L = pieces.length;
  const weights = bytesOf(data.weights), columns = data.columns && bytesOf(data.columns);
  // Calls visit(row, column, 0 … 255) for what is kept of a head.
  return (layer, head, visit) => {
    let at = (layer * heads.length + head) * L * kept;
    for (let row = 0; row < L; row++)
      for (let i = 0; i < kept; i++, at++)
        if (weights[at])
          visit(row, columns ? columns[2 * at] + 256 * columns[2 * at + 1] : i, weights[at]);
  };
}

// === Small maps, one a head ======================================================================

const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function drawMap(canvas, read, layer, head, [r, g, b]) {
  const L = data.pieces.length, size = Math.min(L, MOST), step = L / size;
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d"), image = context.createImageData(size, size);
  const pixels = image.data;
  read(layer, head, (row, column, weight) => {
    const at = 4 * (Math.floor(row / step) * size + Math.floor(column / step));
    if (weight <= pixels[at + 3]) return;
    pixels[at] = r; pixels[at + 1] = g; pixels[at + 2] = b; pixels[at + 3] = weight;
  });
  context.putImageData(image, 0, 0);
}

function maps(place, read, choose) {
  const grid = make("div", { class: "maps" }), buttons = [], draws = [];
  grid.style.gridTemplateColumns = `2.2em repeat(${data.heads.length}, minmax(0, 1fr))`;
  grid.append(make("b", {}, ""), ...data.heads.map(head => make("b", {}, String(head))));
  data.layers.forEach((layer, i) => {
    grid.append(make("b", {}, String(layer)));
    data.heads.forEach((head, j) => {
      const canvas = make("canvas"), name = `layer ${layer}, head ${head}`;
      const button = make("button", { title: name, "aria-label": name,
        onclick: () => { mark(i, j); choose(i, [j]); } }, canvas);
      draws.push(heat => drawMap(canvas, read, i, j, heat));
      buttons.push(button);
      grid.append(button);
    });
  });
  const mark = (layer, head) => buttons.forEach((button, i) =>
    button.classList.toggle("on", i === layer * data.heads.length + head));
  if (data.first.heads.length === 1) mark(data.first.layer, data.first.heads[0]);
  place.append(grid);
  const draw = () => {
    const heat = color("--heat").split(" ").map(Number);
    draws.forEach(one => one(heat));
  };
  draw();
  return draw;
}

// === Lines between tokens ========================================================================

const SIDES = { "all tokens": () => true, "first → first": (r, c, s) => r < s && c < s,
  "first → second": (r, c, s) => r < s && c >= s, "second → first": (r, c, s) => r >= s && c < s,
  "second → second": (r, c, s) => r >= s && c >= s };

function lines(place, read) {
  const L = data.pieces.length, count = data.heads.length;
  let layer = data.first.layer, side = "all tokens", focus = null;
  let heads = new Set(data.first.heads);
  const hue = head => `hsl(${Math.round(360 * head / count + 215) % 360} 70% var(--light))`;
  const canvas = make("canvas");
  const list = way => make("ol", {}, ...data.pieces.map((piece, i) => make("li", {
    class: (data.special[i] ? "special " : "") + (data.second === i ? "begins" : ""), title: piece,
    onmouseenter: () => look([i, way]), onmouseleave: () => look(null),
    onclick: () => look([i, way]) }, piece)));
  const [left, right] = [list(0), list(1)];

  function draw() {
    const width = canvas.clientWidth, height = L * ROW;
    const dense = Math.min(window.devicePixelRatio || 1, 16000 / height);
    canvas.width = width * dense; canvas.height = height * dense;
    canvas.style.height = height + "px";
    const context = canvas.getContext("2d"), shades = new Map(), seen = new Set();
    const light = color("--light");
    context.scale(dense, dense);
    for (const head of heads)
      read(layer, head, (row, column, weight) => {
        if (data.second !== null && !SIDES[side](row, column, data.second)) return;
        if (focus && [row, column][focus[1]] !== focus[0]) return;
        const key = head * 16 + (weight >> 4);
        if (!shades.has(key)) shades.set(key, new Path2D());
        const path = shades.get(key);
        path.moveTo(0, (row + .5) * ROW); path.lineTo(width, (column + .5) * ROW);
        if (focus && weight >= 26) seen.add([column, row][focus[1]]);
      });
    for (const [key, path] of [...shades].sort((a, b) => a[0] % 16 - b[0] % 16)) {
      context.strokeStyle = hue(key >> 4).replace("var(--light)", light);
      context.globalAlpha = (key % 16 + .5) / 16;
      context.lineWidth = .5 + 2 * (key % 16) / 16;
      context.stroke(path);
    }
    [left, right].forEach((ol, way) => [...ol.children].forEach((li, i) =>
      li.classList.toggle("on", !!focus && (way === focus[1] ? i === focus[0] : seen.has(i)))));
  }
  const look = found => { focus = found; draw(); };

  const layers = make("select", { "aria-label": "layer",
    onchange: () => { layer = layers.selectedIndex; draw(); } },
    ...data.layers.map(name => make("option", {}, `layer ${name}`)));
  const chips = data.heads.map((name, i) => make("button", { class: "chip", "--hue": hue(i),
    "aria-label": `head ${name}`, onclick: () => {
      heads.has(i) ? heads.delete(i) : heads.add(i); show(); } }, String(name)));
  const every = make("button", { class: "chip", "aria-label": "all heads", "--hue": "transparent",
    onclick: () => { heads = new Set(heads.size === count ? [] : data.heads.keys()); show(); } },
    "all");
  const controls = make("div", { class: "row" }, layers);
  if (data.second !== null) {
    const sides = make("select", { "aria-label": "texts",
      onchange: () => { side = sides.value; draw(); } },
      ...Object.keys(SIDES).map(name => make("option", {}, name)));
    controls.append(sides);
  }
  controls.append(every, ...chips);
  function show() {
    layers.selectedIndex = layer;
    chips.forEach((chip, i) => chip.setAttribute("aria-pressed", heads.has(i)));
    every.setAttribute("aria-pressed", heads.size === count);
    draw();
  }
  place.append(controls, make("div", { class: "lines" }, left, canvas, right));
  show();
  window.addEventListener("resize", draw);
  const choose = (i, chosen) => { layer = i; heads = new Set(chosen); focus = null; show(); };
  return { choose, draw };
}

if (data.pieces) {
  const read = reader(), views = [];
  const place = { lines: document.getElementById("lines"), maps: document.getElementById("maps") };
  const found = place.lines && lines(place.lines, read);
  if (found) views.push(found.draw);
  const choose = (layer, heads) => found && found.choose(layer, heads);
  if (place.maps) views.push(maps(place.maps, read, choose));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
    () => views.forEach(draw => draw()));
}
