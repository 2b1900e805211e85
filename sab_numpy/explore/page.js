"use strict";
// Positions: 0 nothing yet; 1..T steps 0..T-1 are read; T+1..2T credit walks steps T-1..0.
const $ = id => document.getElementById(id), data = JSON.parse($("data").textContent);
const T = data.x.length, [LOSS, LOCAL, SKIP, CUT, SKIPPED] = [0, 1, 2, 3, 4];
const BLUE = "#0072B2", ORANGE = "#D55E00", GREEN = "#009E73";
const CELL = Math.max(16, Math.min(32, Math.floor(1130 / T)));
const LEFT = 124, ARCS = 84, BARS = 74, DECADES = 5;
const WIDTH = LEFT + T * CELL + 12;
let position = 0, timer = null;

const middle = t => LEFT + (t + 0.5) * CELL;
const doing = event => event[0] === LOCAL ? event[2] : event[1];      // the step at which an event happens
const arcsOf = lane => lane.k_top ? ARCS : 10, heightOf = lane => arcsOf(lane) + CELL + BARS + 78;
const walkOf = lane => lane.walks[$("loss").value];
const symbol = s => s === 0 ? "·" : s === 9 ? "▸" : s;                // blank, marker
const show = x => x >= 0.001 || x === 0 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
const name = s => s === 0 ? "blank" : s === 9 ? "the marker" : s;

const largestOf = lane => Math.max(1e-30, ...walkOf(lane).map(event => event[6]));

function height(credit, top) {             // of a bar: DECADES powers of ten below the largest credit
  return credit <= 0 ? 0 : Math.max(2, BARS * (1 + Math.log10(credit / top) / DECADES));
}

function arc(from, to, y, colour, width, opacity, words) {
  const rise = Math.min(ARCS - 14, 10 + (from - to) * CELL * 0.22);
  return `<path d="M${middle(from)},${y} C${middle(from)},${y - rise * 1.3} ${middle(to)},${y - rise * 1.3} ` +
    `${middle(to)},${y}" fill="none" stroke="${colour}" stroke-width="${width}" opacity="${opacity}">` +
    `<title>${words}</title></path>`;
}

function credits(lane, step) {             // what has arrived where, once credit has walked down to `step`
  const total = {};
  for (const event of walkOf(lane)) if (doing(event) >= step && event[0] <= SKIP) total[event[2]] = event[6];
  return total;
}

function drawCells(lane, y, step, backward, total) {
  let out = "";
  for (let t = 0; t < T; t++) {
    const seen = backward || t < position, here = t === step;
    const fill = !seen ? "#eeeeee" : total[t] !== undefined ? "#fbe3d2" : "#ffffff";
    out += `<g data-step="${t}"><rect x="${LEFT + t * CELL + 1}" y="${y}" width="${CELL - 2}" height="${CELL - 2}" ` +
      `fill="${fill}" stroke="${here ? "#000" : "#999"}" stroke-width="${here ? 3 : 1}"/>` +
      `<text x="${middle(t)}" y="${y + CELL * 0.68}" text-anchor="middle" font-size="${CELL * 0.55}">` +
      `${symbol(data.x[t])}</text><title>step ${t} reads ${name(data.x[t])}</title></g>`;
    if (!seen) continue;
    const right = lane.says[t] === data.targets[t];
    out += `<text x="${middle(t)}" y="${y + CELL + 13}" text-anchor="middle" font-size="12" ` +
      `fill="${right ? "#111" : ORANGE}" font-weight="${right ? 400 : 700}" ` +
      `text-decoration="${right ? "none" : "line-through"}">${symbol(lane.says[t])}</text>`;
  }
  return out;
}

function drawMemory(lane, y, step, backward) {
  const weights = Object.fromEntries(step >= 0 && step < T && !backward ? lane.recalls[step] : []);
  let out = lane.k_top === 0 ? "" : `<text x="4" y="${y + 6}" font-size="12">memory</text>`;
  for (let slot = 0; slot < lane.n_empty; slot++) {
    out += `<rect x="${60 + slot * 9}" y="${y - 4}" width="7" height="8" stroke="#777" fill="${BLUE}" ` +
      `fill-opacity="${weights[slot] || 0}"><title>empty slot ${slot}, weight ${weights[slot] || 0}</title></rect>`;
  }
  for (const [slot, t] of lane.slots) {
    if (!backward && t >= position) continue;
    out += `<circle cx="${middle(t)}" cy="${y}" r="5" stroke="${GREEN}" stroke-width="2" ` +
      `fill="${weights[slot] === undefined ? "#fff" : BLUE}" fill-opacity="${weights[slot] || 1}">` +
      `<title>slot ${slot} holds the state of step ${t}</title></circle>`;
  }
  return out;
}

function drawCredit(lane, y, step, total, top) {
  let out = "";
  for (const [t, credit] of Object.entries(total)) {
    const tall = height(credit, top);
    out += `<rect x="${LEFT + t * CELL + 2}" y="${y + BARS - tall}" width="${CELL - 4}" height="${tall}" ` +
      `fill="${ORANGE}"><title>step ${t}: credit ${show(credit)}</title></rect>`;
  }
  for (const [kind, start, end] of walkOf(lane).filter(event => event[0] >= CUT && doing(event) >= step)) {
    out += kind === CUT
      ? `<text x="${LEFT + start * CELL}" y="${y - 2}" text-anchor="middle" font-size="15">✂</text>`
      : `<rect x="${LEFT + end * CELL + 2}" y="${y}" width="${(start - end + 1) * CELL - 4}" height="${BARS}" ` +
        `fill="#e4e4e4"/><text x="${LEFT + (start + end + 1) * CELL / 2}" y="${y + BARS / 2 + 4}" ` +
        `text-anchor="middle" font-size="12">skipped</text>`;
  }
  return out;
}

function drawArcs(lane, y, step, backward) {
  let out = "";
  const written = Object.fromEntries(lane.slots);
  for (let t = 0; t < T && (backward || t < position); t++) {
    for (const [slot, weight] of lane.recalls[t]) {
      if (written[slot] === undefined || weight < 0.01) continue;
      const now = !backward && t === step;
      out += arc(t, written[slot], y, backward ? "#999" : BLUE, now ? 3 : 1.2, weight * (now ? 1 : 0.3),
        `step ${t} recalls step ${written[slot]}, weight ${weight}`);
    }
  }
  if (!backward) return out;
  const top = Math.max(1e-30, ...walkOf(lane).filter(event => event[0] === SKIP).map(event => event[5]));
  for (const [kind, start, end, , , norm] of walkOf(lane)) {
    if (kind !== SKIP || start < step) continue;
    const strength = Math.max(0.06, 1 + Math.log10(Math.max(norm, 1e-30) / top) / 3);
    out += arc(start, end, y, ORANGE, start === step ? 3 : 1.5, strength * (start === step ? 1 : 0.5),
      `step ${start} gives ${show(norm)} to step ${end}`);
  }
  return out;
}

function draw() {
  const backward = position > T, step = backward ? 2 * T - position : position - 1;
  let out = "", y0 = 20;
  for (const lane of data.lanes) {
    const cells = y0 + arcsOf(lane), bars = cells + CELL + 36, top = largestOf(lane);
    const total = backward ? credits(lane, step) : {};
    const walked = Object.keys(total).filter(t => t >= step).length;
    const skips = walkOf(lane).filter(([kind, start]) => kind === SKIP && start >= step).length;
    const count = !backward ? "" : `walked ${walked} of ${T} steps, ${skips} skips, ` +
      `credit at ${Object.keys(total).length} steps`;
    const block = lane.k_trunc ? `credit cut every ${lane.k_trunc} steps` : "credit never cut";
    const recall = lane.k_top ? `, recalls ${lane.k_top} microstates a step` : ", no recall";
    out += `<text x="4" y="${y0 - 3}" font-size="15"><tspan font-weight="700">${lane.name}</tspan>: ` +
      `${block}${recall}. ${count}</text>`;
    for (let t = lane.k_trunc || T; t < T; t += lane.k_trunc || T)
      out += `<line x1="${LEFT + t * CELL}" x2="${LEFT + t * CELL}" y1="${cells - 4}" y2="${bars + BARS}" ` +
        `stroke="#000" stroke-dasharray="3 3"/>`;
    out += drawArcs(lane, cells, step, backward) + drawCells(lane, cells, step, backward, total);
    out += drawMemory(lane, cells + CELL + 22, step, backward);
    if (backward) out += drawCredit(lane, bars, step, total, top);
    out += `<text x="4" y="${cells + CELL * 0.68}" font-size="12">reads</text>` +
      `<text x="4" y="${cells + CELL + 12}" font-size="12">says</text>` +
      `<text x="4" y="${bars + 10}" font-size="12">credit ${backward ? show(top) : ""}</text>` +
      `<text x="4" y="${bars + BARS}" font-size="12">${backward ? show(top / 10 ** DECADES) : ""}</text>` +
      `<line x1="${LEFT}" x2="${LEFT + T * CELL}" y1="${bars + BARS}" y2="${bars + BARS}" stroke="#777"/>`;
    for (let t = 0; t < T; t += 5)
      out += `<text x="${middle(t)}" y="${bars + BARS + 13}" font-size="11" text-anchor="middle">${t}</text>`;
    y0 += heightOf(lane);
  }
  $("stage").innerHTML = `<svg width="${WIDTH}" height="${y0 - 14}" role="img" ` +
    `aria-label="timelines of ${data.lanes.map(lane => lane.name).join(", ")}">${out}</svg>`;
  $("where").textContent = position === 0 ? "before the first step"
    : backward ? `backward: credit at step ${step}` : `forward: step ${step} of ${T - 1}`;
  $("stage").scrollLeft = middle(step) - $("stage").clientWidth / 2;
  $("position").value = position;
  $("position").setAttribute("aria-valuetext", $("where").textContent);
  $("words").innerHTML = data.lanes.map(lane => `<div><h2>${lane.name}</h2><ul>` +
    tell(lane, step, backward).map(line => `<li>${line}</li>`).join("") + "</ul></div>").join("");
}

function tell(lane, step, backward) {
  if (step < 0) return ["nothing has been read yet"];
  if (!backward) {
    const written = Object.fromEntries(lane.slots);
    const states = lane.recalls[step].filter(([slot]) => written[slot] !== undefined);
    const empty = lane.recalls[step].length - states.length;
    const recalled = states.map(([slot, weight]) => `step ${written[slot]} (${weight.toFixed(2)})`);
    if (empty) recalled.push(`${empty} empty slots`);
    const right = lane.says[step] === data.targets[step];
    return [`reads ${name(data.x[step])}`, ...(recalled.length ? ["recalls " + recalled.join(", ")] : []),
      `says ${name(lane.says[step])}${right ? "" : `, should say ${name(data.targets[step])}`}`];
  }
  const inside = ([kind, start, end]) => kind === SKIPPED && end <= step && step <= start;
  const lines = walkOf(lane).filter(event => doing(event) === step || inside(event)).map(
    ([kind, start, end, , weight, norm]) => [`the loss gives ${show(norm)}`, `${show(norm)} comes from step ${start}`,
      `skip: ${show(norm)} to step ${end} (weight ${show(weight || 0)})`, `cut: nothing passes to step ${end}`,
      `steps ${end} to ${start}: no credit, not visited`][kind]);
  return lines.length ? lines : ["no credit from a later step of this block"];
}

function go(to) { position = Math.max(0, Math.min(2 * T, to)); draw(); if (position === 2 * T) play(false); }

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => go(position + 1), Number($("speed").value)) : null;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}

$("model").textContent = `(${data.model}, trained with k_trunc=${data.trained.k_trunc}, k_top=${data.trained.k_top})`;
$("loss").innerHTML = data.losses.map(label => `<option>${label}</option>`).join("");
$("position").max = 2 * T;
const keys = { ArrowLeft: () => go(position - 1), ArrowRight: () => go(position + 1), Home: () => go(0),
  End: () => go(2 * T), b: () => go(T + 1), " ": () => { position %= 2 * T; play(timer === null); } };
const buttons = { first: "Home", back: "ArrowLeft", play: " ", next: "ArrowRight", turn: "b", last: "End" };
for (const [id, key] of Object.entries(buttons)) $(id).addEventListener("click", keys[key]);
$("position").addEventListener("input", () => go(Number($("position").value)));
$("loss").addEventListener("change", draw);
$("speed").addEventListener("change", () => play(timer !== null));
$("stage").addEventListener("click", event => {
  const cell = event.target.closest("[data-step]");
  if (cell) go(position > T ? 2 * T - Number(cell.dataset.step) : Number(cell.dataset.step) + 1);
});
document.addEventListener("keydown", event => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, on = event.target.tagName;
  if (!keys[key] || event.ctrlKey || event.metaKey || event.altKey) return;
  if (on === "SELECT" || (on === "BUTTON" && key === " ")) return;        // they use the key themselves
  event.preventDefault(), keys[key]();
});
draw();
