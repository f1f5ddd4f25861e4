// Charts as inline SVG. Text goes in as text nodes only: what a record says never becomes markup.
"use strict";

const NS = "http://www.w3.org/2000/svg";

function draw(parent, name, attributes = {}, text) {
  const element = parent.appendChild(document.createElementNS(NS, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return +(value / 1e6).toPrecision(4) + "M";
  if (size >= 1e4) return +(value / 1e3).toPrecision(4) + "k";
  return String(+value.toPrecision(4));
}

function linearTicks(low, high, count = 5) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const ticks = Array.from({ length: 2 * count + 2 }, (_, index) => (first + index) * step);
  return ticks.filter(tick => tick <= high + step * 1e-9).map(tick => +tick.toPrecision(10));
}

function logTicks(low, high) {
  const decades = Math.log10(high / low), ticks = [];
  const digits = decades > 2.5 ? [1] : decades > 1 ? [1, 3] : [1, 2, 3, 5, 7];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const digit of digits) {
      const tick = digit * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  return ticks;
}

// A scale maps values to [0, 1] and knows its ticks. `named` lists [value, text] for places that are no numbers.
function scaleOf(values, kind, named) {
  if (named) return { at: value => named.findIndex(([name]) => name === value) / Math.max(1, named.length - 1), ticks: named };
  let low = Math.min(...values), high = Math.max(...values);
  if (kind === "log") {
    if (high <= low * 1.02) [low, high] = [low / 1.6, high * 1.6];
    const pad = (high / low) ** 0.06;
    [low, high] = [low / pad, high * pad];
    return { at: value => Math.log(value / low) / Math.log(high / low), ticks: logTicks(low, high).map(tick => [tick, short(tick)]) };
  }
  const pad = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.02 || 1;
  [low, high] = [low - pad, high + pad];
  return { at: value => (value - low) / (high - low), ticks: linearTicks(low, high).map(tick => [tick, short(tick)]) };
}

// `points`: {x, y, low, high, colour, marker, tip, front, published, aside}; `lines`: {points: [[x, y, aside]], className,
// colour, title}; `aside` (-1 to 1) moves what stands at one named place apart, so that nothing hides the rest;
// `bands`: {points: [[x, low, high]], colour}; `also`: further y that the axis covers. Returns the <svg>, or null without anything to draw.
function plot(host, { points = [], lines = [], bands = [], levels = [], log = false, logUp = false, named, ticks, label, describe, also = [], height = 250 }) {
  const xs = [...points.map(point => point.x), ...lines.flatMap(line => line.points.map(([at]) => at))];
  const ys = [
    ...points.flatMap(point => [point.y, point.low ?? point.y, point.high ?? point.y]),
    ...lines.flatMap(line => line.points.map(([, at]) => at)),
    ...bands.flatMap(band => band.points.flatMap(([, low, high]) => [low, high])),
    ...levels.map(level => level.y),
    ...also,
  ];
  if (!xs.length) return null;
  const width = Math.max(260, host.clientWidth || 400);
  const box = { left: 46, right: width - (levels.length ? 46 : 12), top: 10, bottom: height - 36 };
  const across = scaleOf(xs, log ? "log" : "linear", named), up = scaleOf(ys, logUp ? "log" : "linear");
  if (ticks) across.ticks = ticks.map(tick => [tick, short(tick)]);
  const slot = named ? (box.right - box.left) / named.length : 0, room = Math.min(60, 0.25 * slot);
  const inset = slot / 2, inner = box.right - box.left - slot;
  const px = (value, aside = 0) => box.left + inset + across.at(value) * inner + aside * room;
  const py = value => box.bottom - up.at(value) * (box.bottom - box.top);
  const path = list => list.map(([a, b, aside], index) => `${index ? "L" : "M"}${px(a, aside).toFixed(1)} ${py(b).toFixed(1)}`).join("");
  const svg = draw(host, "svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describe });

  for (const [tick, text] of up.ticks) {
    draw(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: py(tick), y2: py(tick) });
    draw(svg, "text", { x: box.left - 6, y: py(tick) + 4, "text-anchor": "end" }, text);
  }
  draw(svg, "line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom });
  let free = -Infinity;
  for (const [tick, text] of across.ticks) {
    const at = px(tick), half = text.length * 3.4;
    draw(svg, "line", { class: "axis", x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4 });
    if (at - half < free || at + half > width) continue;
    draw(svg, "text", { x: at, y: box.bottom + 16, "text-anchor": "middle" }, text);
    free = at + half + 6;
  }
  draw(svg, "text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, label);

  for (const level of levels) {
    if (level.low != null && level.high != null && level.high > level.low)
      draw(svg, "rect", { class: "digital-band", x: box.left, width: box.right - box.left, y: py(level.high), height: py(level.low) - py(level.high) });
    draw(svg, "line", { class: level.className, x1: box.left, x2: box.right, y1: py(level.y), y2: py(level.y) });
    draw(svg, "text", { x: box.right + 5, y: py(level.y) + 4 }, level.text);
  }
  for (const band of bands) {
    const around = [...band.points.map(([at, , high]) => [at, high]), ...band.points.map(([at, low]) => [at, low]).reverse()];
    draw(svg, "path", { class: `band s${band.colour}`, d: path(around) + "Z" });
  }
  for (const line of lines) {
    const drawn = draw(svg, "path", { class: `${line.className} ${line.colour == null ? "" : "s" + line.colour}`, d: path(line.points) });
    if (line.title) draw(drawn, "title", {}, line.title);
  }
  for (const point of points) {
    const group = draw(svg, "g", { class: `s${point.colour}`, transform: `translate(${px(point.x, point.aside).toFixed(1)} ${py(point.y).toFixed(1)})` });
    if (point.low != null && point.high != null) {
      const low = py(point.low) - py(point.y), high = py(point.high) - py(point.y);
      draw(group, "path", { class: "whisker", d: `M0 ${low}V${high}M-4 ${low}H4M-4 ${high}H4` });
    }
    if (point.front) draw(group, "circle", { class: "ring", r: 9 });
    point.mark = draw(group, "use", { class: point.published ? "published" : "marker", href: `#m${point.marker}` });
    point.at = [px(point.x, point.aside), py(point.y)];
  }
  hover(svg, points.filter(point => point.tip), width);
  return svg;
}

// The tip of the nearest point, and a click on it where the point has an action.
function hover(svg, points, width) {
  const tip = document.getElementById("tip");
  let near = null;
  const find = event => {
    const box = svg.getBoundingClientRect(), zoom = width / box.width;
    const [x, y] = [(event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom];
    let best = 22 ** 2, found = null;
    for (const point of points) {
      const distance = (point.at[0] - x) ** 2 + (point.at[1] - y) ** 2;
      if (distance < best) [best, found] = [distance, point];
    }
    return found;
  };
  const show = point => {
    near?.mark.classList.remove("hot");
    near = point;
    tip.hidden = !point;
    svg.style.cursor = point?.open ? "pointer" : "";
    if (!point) return;
    point.mark.classList.add("hot");
    tip.textContent = point.tip;
    const box = point.mark.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(box.left + 14, innerWidth - tip.offsetWidth - 6))}px`;
    tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 6 : box.bottom + 8}px`;
  };
  svg.addEventListener("pointermove", event => show(find(event)));
  svg.addEventListener("pointerleave", () => show(null));
  svg.addEventListener("click", event => find(event)?.open?.());
}

// Points that no other beats in both: least x and best y, in the order of x.
function paretoFront(points, higher) {
  const better = (a, b) => (higher ? a > b : a < b);
  const front = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || (better(a.y, b.y) ? -1 : 1)))
    if (!front.length || better(point.y, front.at(-1).y)) front.push(point);
  return front;
}
