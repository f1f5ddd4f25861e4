// Tabs, sorting, filters, columns, charts and the dialog of runs.

// The names of what the data hold are in page_view.py.
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const narrow = matchMedia("(max-width: 40rem)").matches;

// Tabs.
const tabs = $$("[role=tab]"), panels = $$("[role=tabpanel]");
function select(id, focus = false) {
  for (const tab of tabs) {
    const chosen = tab.getAttribute("aria-controls") === id;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
    if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  for (const panel of panels) panel.hidden = panel.id !== id;
  const panel = document.getElementById(id);
  if (panel.dataset.index) charts(panel);
  else standing(panel);
  history.replaceState(null, "", `#${encodeURIComponent(panel.dataset.name)}`);
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => select(tab.getAttribute("aria-controls")));
  tab.addEventListener("keydown", event => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(tabs[(to + tabs.length) % tabs.length].getAttribute("aria-controls"), true);
  });
});
for (const link of $$("[data-tab]"))
  link.addEventListener("click", event => {
    event.preventDefault();
    select(link.dataset.tab, true);
  });

// Tables: sort by a column, missing values last; a line where the precision changes in the given order.
function value(row, key) {
  const text = row.querySelector(`[data-c="${key}"]`).dataset.v;
  return text === "" ? null : key === "row" ? text : +text;
}
function sort(panel, header, direction) {
  const key = header.dataset.c, body = $(".results tbody", panel);
  for (const other of $$(".results thead th", panel)) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const rows = [...body.rows].map(row => [value(row, key), row]);
  rows.sort(([a], [b]) => (a === null) - (b === null) || (a === b ? 0 : (a < b ? -1 : 1) * direction));
  body.append(...rows.map(([, row]) => row));
  for (const row of body.rows) row.classList.remove("first");
}
function shown(panel) {
  const boxes = $$(".levels input", panel);
  return new Set(boxes.length ? boxes.filter(box => box.checked).map(box => box.value) : DATA.tracks[panel.dataset.index].levels);
}
function filter(panel) {
  const levels = shown(panel);
  for (const row of $(".results tbody", panel).rows) row.hidden = row.dataset.key !== "digital" && !levels.has(row.dataset.key);
  for (const cell of $$(".glance [data-key]", panel)) cell.hidden = !levels.has(cell.dataset.key);
  const radios = $$(".at input", panel);
  for (const radio of radios) radio.parentNode.hidden = radio.value !== "" && !levels.has(radio.value);
  if (radios.some(radio => radio.checked && radio.parentNode.hidden)) radios.find(radio => !radio.parentNode.hidden).checked = true;
  charts(panel);
}
function hideColumns(panel) {
  const hidden = new Set($$(".columns input", panel).filter(box => !box.checked).map(box => box.value));
  for (const cell of $$(".results [data-c]", panel)) cell.hidden = hidden.has(cell.dataset.c);
}

// The small table is one stop of the tabulator; arrows go from cell to cell.
function arrows(table) {
  const buttons = $$("button", table);
  buttons.forEach((button, index) => (button.tabIndex = index ? -1 : 0));
  table.addEventListener("keydown", event => {
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [];
    if (down === undefined) return;
    event.preventDefault();
    const from = event.target.closest("td"), step = cell => table.rows[cell.parentNode.rowIndex + down]?.cells[cell.cellIndex + right];
    let to = step(from);
    while (to && (to.hidden || !$("button", to))) to = step(to);
    const next = to && $("button", to);
    if (!next) return;
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  });
}

// Charts.
const statesText = key => (key === "digital" ? "digital" : `${key} states`);
const format = (data, number) => number.toFixed(data.decimals);

function references(data) {
  const { digital } = data;
  return digital && digital.mean != null ? [{ y: digital.mean, low: digital.low, high: digital.high, text: "digital", className: "digital-line" }] : [];
}
// For a log axis: errors instead of accuracies; a loss stays what it is. Values that are not above 0 are left out.
const UNTURNED = new WeakMap(); // from what was turned into errors back to the data of the page
function onLogAxis(data) {
  if (!data.higher) return data;
  const whole = data.percent ? 100 : 1, turned = value => (value == null || value >= whole ? null : whole - value);
  const made = (copy, of) => (UNTURNED.set(copy, of), copy);
  const turn = cell => cell && made({ ...cell, mean: turned(cell.mean), low: turned(cell.high), high: turned(cell.low), paper: turned(cell.paper) }, cell);
  return made({ ...data, title: data.title.replace("accuracy", "error"), higher: false, digital: turn(data.digital), rows: data.rows.map(row => ({ ...row, cells: row.cells.map(turn) })) }, data);
}
function entries(panel, data, levels) {
  const off = new Set($$(".legend [aria-pressed=false]", panel).map(button => button.dataset.label));
  return data.rows.filter(row => !off.has(row.label)).flatMap(row =>
    row.cells.filter(cell => levels.has(cell.key) && cell.mean != null).map(cell => ({ row, cell })));
}
function tipOf(data, { row, cell }, more = "") {
  const range = cell.low == null ? "" : ` [${format(data, cell.low)}, ${format(data, cell.high)}]`;
  return `${row.label}\n${statesText(cell.key)}: ${format(data, cell.mean)}${range}, n = ${cell.n}${cell.diverged ? `, ${cell.diverged} diverged` : ""}${more}`;
}
function pointOf(data, entry, x, more) {
  const { row, cell } = entry;
  return {
    x, y: cell.mean, low: cell.low, high: cell.high, ...row.style, entry,
    tip: tipOf(data, entry, more), open: () => openRuns(UNTURNED.get(data) ?? data, row.label, UNTURNED.get(cell) ?? cell),
  };
}
function figure(host, title, note, options) {
  const place = host.appendChild(document.createElement("figure"));
  const caption = place.appendChild(document.createElement("figcaption"));
  caption.textContent = `${title} `;
  if (note) caption.appendChild(document.createElement("small")).textContent = note;
  if (!plot(place, { ...options, describe: `${title}; the numbers are in the table` })) place.remove();
}
function byRow(points) {
  const groups = new Map();
  for (const point of points) groups.set(point.entry.row, [...(groups.get(point.entry.row) ?? []), point]);
  return [...groups.values()];
}
function charts(panel) {
  if (panel.hidden) return;
  const track = DATA.tracks[panel.dataset.index], logUp = $(".error input", panel).checked, data = logUp ? onLogAxis(track) : track;
  const [host, costs] = $$(".charts", panel), levels = references(data);
  host.replaceChildren();
  costs.replaceChildren();
  const found = entries(panel, data, shown(panel)), what = data.title.replace(/, %$/, "");

  const named = data.levels.filter(key => shown(panel).has(key)).map(key => [key, key]);
  const drawn = [...new Set(found.map(({ row }) => row))];
  const aside = ({ row }) => drawn.length > 1 ? (2 * drawn.indexOf(row)) / (drawn.length - 1) - 1 : 0;
  const over = found.map(entry => ({ ...pointOf(data, entry, entry.cell.key), aside: aside(entry) }));
  const printed = found.filter(({ cell }) => cell.paper != null).map(entry => ({
    x: entry.cell.key, y: entry.cell.paper, ...entry.row.style, published: true, aside: aside(entry),
    tip: `${entry.row.label}\n${statesText(entry.cell.key)}, ${entry.cell.printed}`,
  }));
  figure(host, `${what} against states`, printed.length ? "95 % intervals, hollow: paper" : "95 % intervals", {
    points: [...printed, ...over], levels, named, logUp, label: "conductance states of a device",
    lines: byRow(over).map(points => ({ points: points.map(point => [point.x, point.y, point.aside]), className: "link", colour: points[0].colour })),
  });

  const profiled = drawn.map(row => ({ row, steps: profile(data, row, named.map(([key]) => key)) })).filter(({ steps }) => steps.length);
  if (named.length > 1 && profiled.some(({ steps }) => steps.some(([x]) => x > 0)))
    figure(host, "performance profile", `share of ${named.length === data.levels.length ? "all" : "the chosen"} ${named.length} precisions`, {
      label: `distance to the best of a precision, ${data.unit}s`.replace(/ss$/, "s"),
      lines: profiled.map(({ row, steps }) => ({ points: profileLine(steps, profiled), className: "curve", colour: row.style.colour })),
      points: profiled.flatMap(({ row, steps }) => steps.map(([x, y]) => ({ x, y, ...row.style, tip: `${row.label}\nwithin ${+x.toFixed(data.decimals)} of the best at ${Math.round(y * named.length)} of ${named.length}` }))),
      levels: [], also: [0, 1],
    });

  const at = $(".at input:checked", panel)?.value;
  const compared = at ? entries(panel, data, new Set([at])) : found;
  DATA.costs.forEach(({ title, label, front }, index) => {
    const points = compared
      .map(entry => ({ entry, x: entry.cell.costs[index] }))
      .filter(({ x }) => x > 0)
      .map(({ entry, x }) => pointOf(data, entry, x, front ? `\n${label}: ${short(x)}` : ""));
    const best = front ? paretoFront(points.filter(point => !point.entry.cell.diverged), data.higher) : [];
    for (const point of best) point.front = true;
    const spread = points.map(point => point.x);
    figure(costs, `${what} against ${title}`, front ? "○ Pareto front" : "", {
      points, levels, label, logUp, ticks: front ? undefined : [...new Set(spread)].sort((a, b) => a - b), log: front && Math.max(...spread) > 6 * Math.min(...spread),
      lines: front ? [{ points: staircase(best), className: "front" }].filter(line => line.points.length > 1) : chains(points),
    });
  });
}
// How far rows are behind the best, over all tracks.
function standing(panel) {
  $$(".standing", panel).forEach((host, index) => {
    const { caption, keys, standing } = DATA.summaries[index];
    host.replaceChildren();
    const aside = row => standing.length > 1 ? (2 * standing.indexOf(row)) / (standing.length - 1) - 1 : 0;
    const points = standing.flatMap(row => row.places.map(([key, mean, tracks]) => ({
      x: key, y: mean, ...row.look, aside: aside(row),
      tip: `${row.name}\n${statesText(key)}: ${caption.replace(" behind", `: ${mean} behind`)}\nmean over ${tracks} track${tracks === 1 ? "" : "s"}`,
    })));
    figure(host, caption, "mean over tracks, lower is better", {
      points, named: keys.map(key => [key, key]), label: "conductance states of a device", also: [0],
      lines: standing.map(row => ({ points: row.places.map(([key, mean]) => [key, mean, aside(row)]), className: "link", colour: row.look.colour })),
    });
  });
}
function staircase(front) {
  return front.flatMap((point, index) => (index ? [[point.x, front[index - 1].y], [point.x, point.y]] : [[point.x, point.y]]));
}
// Rows that differ in their number of tiles, at one precision.
function chains(points) {
  const groups = new Map();
  for (const point of points) {
    const family = point.entry.row.label.replace(/, \d+ tiles/, "") + "\n" + point.entry.cell.key;
    groups.set(family, [...(groups.get(family) ?? []), [point.x, point.y]]);
  }
  return [...groups.values()].filter(group => group.length > 1)
    .map(group => ({ points: group.sort((a, b) => a[0] - b[0]), className: "front" }));
}
// Where the share of precisions at which a row is within a distance of the best steps up: [distance, share].
// What is left of seeds of which some diverged is not compared.
function profile(data, row, keys) {
  const compared = ({ cells }) => cells.filter(cell => keys.includes(cell.key) && cell.mean != null && !cell.diverged);
  const means = key => data.rows.flatMap(compared).filter(cell => cell.key === key).map(cell => cell.mean);
  const distances = compared(row)
    .map(cell => Math.abs(cell.mean - (data.higher ? Math.max : Math.min)(...means(cell.key)))).sort((a, b) => a - b);
  return distances.map((x, index) => [x, (index + 1) / keys.length]).filter(([x], index) => x !== distances[index + 1]);
}
function profileLine(steps, profiled) {
  const end = Math.max(...profiled.flatMap(other => other.steps.map(([x]) => x)));
  const points = steps.map(([x, y]) => ({ x, y }));
  return [...staircase(points[0].x > 0 ? [{ x: 0, y: 0 }, ...points] : points), [end, steps.at(-1)[1]]];
}

// What a curve of the dialog is: the marker at its end, and its label.
function keyOf({ label, style }) {
  const key = Object.assign(document.createElement("span"), { className: "label" });
  const svg = draw(key, "svg", { class: `mark s${style.colour}`, viewBox: "-8 -8 16 16", "aria-hidden": "true" });
  draw(svg, "use", { href: `#m${style.marker}` });
  key.appendChild(document.createElement("span")).textContent = label;
  return key;
}
// The dialog: training curves, runs and claims of one cell.
const dialog = $("#runs");
function openRuns(data, label, cell) {
  $("#runs-title").textContent = `${label}${cell === data.digital ? "" : `, ${statesText(cell.key)}`}`;
  $(".said", dialog).replaceChildren(...[cell.printed, ...cell.claims, cell.worn].filter(Boolean).map(text => Object.assign(document.createElement("li"), { textContent: text })));
  $("tbody", dialog).replaceChildren(...cell.runs.map(([seed, result, file]) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = seed;
    row.insertCell().textContent = result == null ? "not finite" : format(data, result);
    const place = row.insertCell().appendChild(document.createElement("code"));
    const address = `${DATA.records}/${file.split("/").map(encodeURIComponent).join("/")}`;
    if (DATA.records) place.appendChild(Object.assign(document.createElement("a"), { href: address, textContent: file }));
    else place.textContent = file;
    row.cells[0].className = row.cells[1].className = "num";
    return row;
  }));
  if (cell.n > cell.runs.length) $("tbody", dialog).insertRow().insertCell().textContent = `and ${cell.n - cell.runs.length} more`;
  dialog.showModal();
  const host = $(".chart", dialog);
  host.replaceChildren();
  const row = data.rows.find(row => row.label === label);
  const zip = (curve, name) => curve.steps.map((step, index) => [step, curve[name][index]]).filter(([, y]) => y != null);
  const others = data.rows.flatMap(other => other.cells.filter(entry => entry.key === cell.key && entry !== cell && entry.curve && entry.curve.key === cell.curve?.key)
    .map(({ curve }) => ({ points: zip(curve, "mean"), className: "curve faint", colour: other.style.colour, style: other.style, title: other.label })));
  const style = row?.style ?? { colour: 7, marker: 0 }, { colour } = style;
  const own = cell.curve && {
    lines: [{ points: zip(cell.curve, "mean"), className: "curve", colour }],
    bands: [{ points: cell.curve.steps.map((step, index) => [step, cell.curve.low[index], cell.curve.high[index]]).filter(([, low, high]) => low != null && high != null), colour }],
  };
  const levels = data.target == null || cell.curve?.key !== data.validation ? [] : [{ y: data.target, text: "target", className: "target" }];
  const named = own ? [...others.map(({ title, style, points }) => ({ label: title, style, end: points.at(-1) })), { label, style, end: own.lines[0].points.at(-1) }] : [];
  const svg = own && plot(host, {
    lines: [...others, ...own.lines], bands: own.bands, points: named.filter(({ end }) => end).map(({ label, style, end: [x, y] }) => ({ x, y, ...style, tip: label })), levels, height: 280,
    label: "optimiser steps", describe: `Training curves of ${label}`,
  });
  $(".curve-note", dialog).hidden = !svg;
  if (svg) $(".curve-note", dialog).textContent = `${cell.curve.key}${data.percent ? ", %" : ""}: mean and range over seeds${others.length ? "; other rows of this precision faint" : ""}.`;
  $(".key", dialog).replaceChildren(...named.map(keyOf));
  if (!svg) host.appendChild(Object.assign(document.createElement("p"), { className: "empty", textContent: "These runs recorded no metric by epoch." }));
}
dialog.addEventListener("click", event => event.target === dialog && dialog.close());

for (const panel of panels.filter(panel => panel.dataset.index)) {
  const data = DATA.tracks[panel.dataset.index];
  for (const button of $$(".results thead button", panel))
    button.addEventListener("click", () => {
      const header = button.parentNode, before = header.getAttribute("aria-sort");
      sort(panel, header, before === null ? +button.dataset.order : before === "ascending" ? -1 : 1);
    });
  for (const radio of $$(".at input", panel)) radio.addEventListener("change", () => charts(panel));
  $(".error input", panel).addEventListener("change", () => charts(panel));
  for (const box of $$(".levels input", panel)) box.addEventListener("change", () => filter(panel));
  for (const box of $$(".columns input", panel)) {
    if ((narrow && box.dataset.screens !== "always") || (innerWidth < 1600 && box.dataset.screens === "huge")) box.checked = false;
    box.addEventListener("change", () => hideColumns(panel));
  }
  hideColumns(panel);
  for (const button of $$(".legend button", panel))
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "false");
      charts(panel);
    });
  const cellOf = (label, key) => key === "digital" ? data.digital : data.rows.find(row => row.label === label)?.cells.find(entry => entry.key === key);
  const small = $(".glance", panel);
  if (small) arrows(small);
  small?.addEventListener("click", event => {
    const label = event.target.closest("button")?.dataset.label;
    const cell = label && (cellOf(label, event.target.closest("td").dataset.key) ?? data.digital);
    if (cell) openRuns(data, label, cell);
  });
  const body = $(".results tbody", panel);
  [...body.rows].forEach((row, index) => row.classList.toggle("first", index > 0 && row.dataset.key !== body.rows[index - 1].dataset.key));
  body.addEventListener("click", event => {
    const line = event.target.closest("button.label")?.closest("tr");
    if (!line) return;
    const cell = cellOf(line.dataset.label, line.dataset.key);
    if (cell) openRuns(data, line.dataset.label, cell);
  });
}
document.addEventListener("click", event => {
  for (const menu of $$(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", event => {
  const menu = event.key === "Escape" && $(".menu[open]");
  if (menu) {
    menu.open = false;
    $("summary", menu).focus();
  }
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  panels.filter(panel => !panel.hidden).forEach(panel => (panel.dataset.index ? charts : standing)(panel));
});
if (tabs.length) {
  const wanted = location.hash.slice(1);
  select((panels.find(panel => encodeURIComponent(panel.dataset.name) === wanted) ?? panels[0]).id);
}
