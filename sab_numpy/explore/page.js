"use strict";
// Positions: 0 nothing yet; 1..T steps 0..T-1 are read; T+1..2T credit walks steps T-1..0.
const $ = id => document.getElementById(id), data = JSON.parse($("data").textContent);
const [LOSS, LOCAL, SKIP, CUT, NOT_VISITED] = [0, 1, 2, 3, 4];       // data.kinds
const LEFT = 62, BARS = 46, ARCS = 58, CELL = 22, DECADES = 5, NARROW = 600, T = data.sequences[0].x.length;
const GUIDE = 30000, edges = [0];                                    // milliseconds; of boxes, in units

let sequence, wide, unit, tall, symbol, position = 0, timer = null;  // symbol: the units of its box; one of the wait has 1
let guided = 0;                            // milliseconds of the guide so far, or null: free
let point = null;                          // the lane and step that one points at: [number of lane, step]

const left = t => LEFT + edges[t] * unit, middle = t => (left(t) + left(t + 1)) / 2;
const doing = event => event[0] === LOCAL ? event[2] : event[1];      // the step at which an event happens
const walkOf = lane => lane.walks[$("loss").value];
const arcsOf = lane => lane.k_top === 0 ? 4 : ARCS * tall * (lane.method === "sab" ? 1.3 : 1), bars = () => BARS * tall;
const sign = s => s === 0 ? "·" : s === 9 ? "▸" : String(s);
const name = s => s === 0 ? "a blank" : s === 9 ? "the marker" : String(s);
const show = x => x >= 0.001 || x === 0 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
const backward = () => position > T, now = () => backward() ? 2 * T - position : position - 1;
const whole = lane => Math.max(1e-300, ...walkOf(lane).filter(event => event[0] === LOSS).map(event => event[3]));  // 100 %
const largest = lane => walkOf(lane).reduce((most, event) => event[0] > SKIP ? most : Math.max(most, event[4]), 1e-300);

function percent(credit, lane) {
  const p = 100 * credit / whole(lane);
  const plain = p === 0 || p >= 0.0001 && p < 10;
  return (p >= 10 && p < 1e5 ? p.toFixed(0) : plain ? Number(p.toPrecision(2)) : p.toExponential(1)) + " %";
}

function share(credit, top) {              // of the height of the largest bar
  return credit <= 0 ? 0 : $("log").checked ? Math.max(0, 1 + Math.log10(credit / top) / DECADES) : credit / top;
}

function credits(lane) {                   // what has arrived where, once credit has walked down to the present step
  const total = {};
  if (backward()) for (const event of walkOf(lane))
    if (event[0] <= SKIP && doing(event) >= now()) total[event[2]] = event[4];
  return total;
}

function arc(lane, from, to, look, words) {
  const rise = arcsOf(lane) * 1.27 * Math.sqrt((edges[from] - edges[to] + 3) / (edges[T] + 3));
  const [a, b, y] = [middle(from), middle(to), arcsOf(lane)];
  return `<path d="M${a},${y} C${a},${y - rise} ${b},${y - rise} ${b},${y}" fill="none" ${look}>` +
    `<title>${words}</title></path>`;
}

function drawArcs(lane, own) {
  const written = Object.fromEntries(lane.slots), top = largest(lane);
  let out = "";
  for (let t = 0; t < T && (backward() || t < position); t++) for (const [slot, weight] of lane.recalls[t]) {
    const here = !backward() && t === now();
    if (written[slot] === undefined || weight < (here ? 0.01 : 0.1)) continue;
    out += arc(lane, t, written[slot], `class="recall" data-from="${t}" data-to="${written[slot]}" data-weight="${weight}" ` +
      `stroke="var(--quiet)" stroke-width="${here ? 1 + 3 * weight : 1}" ` +
      `opacity="${here ? 0.3 + 0.7 * weight : 0.3 * weight}"${backward() ? ' stroke-dasharray="2 4"' : ""}`,
    `step ${t} recalls step ${written[slot]}, weight ${weight}`);
  }
  if (backward()) for (const [kind, start, end, norm] of walkOf(lane)) {
    const strength = norm / top;           // linear, also on the log scale: a crowd of weak arcs says nothing
    if (kind !== SKIP || start < now() || strength < 0.01) continue;
    out += arc(lane, start, end, `class="skip" data-from="${start}" data-to="${end}" data-norm="${norm}" stroke="${own}" ` +
      `stroke-width="${0.8 + 4 * strength}" opacity="${0.3 + 0.7 * strength}"`,
    `step ${start} gives ${show(norm)} to step ${end}`);
  }
  return out;
}

function drawBoxes(lane, y) {
  const states = new Set(lane.slots.map(([, t]) => t)), size = Math.min(17, symbol * unit * 1.05);
  let out = "";
  for (let t = 0; t < T; t++) {
    const seen = backward() || t < position, answer = t >= T - data.width;
    const wrong = answer && lane.says[t] !== sequence.targets[t];
    const letter = answer ? (seen ? sign(lane.says[t]) : "") : sequence.x[t] && sign(sequence.x[t]);
    const fill = !seen ? "var(--none)" : wrong ? "var(--quiet)" : t === now() ? "var(--mark)" : "var(--page)";
    out += `<rect x="${left(t)}" y="${y}" width="${left(t + 1) - left(t)}" height="${CELL - 4}" fill="${fill}" ` +
      `stroke="var(--line)" stroke-width="${t === now() ? 2 : Math.min(0.6, unit / 6)}"/>`;
    if (lane.k_top !== 0 && states.has(t) && seen)
      out += `<circle cx="${middle(t)}" cy="${y}" r="${Math.max(1.5, Math.min(3, unit / 2))}" fill="var(--text)"/>`;
    if (letter) out += `<text x="${middle(t)}" y="${y + CELL - 8}" text-anchor="middle" font-size="${size}" data-step="${t}" ` +
      `font-weight="${answer ? 700 : 400}"${wrong ? ' class="wrong"' : ""}>${letter}</text>`;
  }
  const present = !backward() && position > 0 ? Object.fromEntries(lane.recalls[now()]) : {};
  for (let slot = 0; slot < (lane.k_top === 0 ? 0 : lane.n_empty); slot++)
    out += `<rect x="${LEFT - 9 * (lane.n_empty - slot) - 4}" y="${y + 5}" width="7" height="7" stroke="var(--line)" ` +
      `fill="var(--text)" fill-opacity="${present[slot] || 0}"><title>empty slot, weight ${present[slot] || 0}</title></rect>`;
  return out;
}

function drawCredit(lane, y, own, total) {
  const top = largest(lane), base = y + bars();
  let out = "", run = null;
  const close = () => {                    // neighbouring blocks are one grey box
    const [x, wide] = run ? [left(run[0]), left(run[1] + 1) - left(run[0])] : [0, 0];
    if (run) out += `<rect class="unvisited" data-from="${run[0]}" data-to="${run[1]}" x="${x}" y="${y}" width="${wide}" ` +
      `height="${bars()}" fill="var(--none)"/>`;
    if (wide > 90) out += `<text x="${x + wide / 2}" y="${y + bars() / 2 + 5}" text-anchor="middle" font-size="13">not visited</text>`;
    run = null;
  };
  if (backward()) for (const [kind, start, end] of walkOf(lane).filter(event => doing(event) >= now())) {
    if (kind === NOT_VISITED && run && run[0] === start + 1) run[0] = end;
    else if (kind === NOT_VISITED) { close(); run = [end, start]; }
    else if (kind === CUT && total[start] !== undefined)
      out += `<line class="cut" data-step="${start}" x1="${left(start)}" x2="${left(start)}" y1="${y}" y2="${base}" ` +
        'stroke="var(--text)" stroke-width="2.5"/>';
  }
  close();
  for (const [t, credit] of Object.entries(total)) {
    const height = share(credit, top) * bars(), wide = left(+t + 1) - left(+t);
    out += `<rect class="bar" data-step="${t}" data-credit="${credit}" x="${left(+t) + wide * 0.1}" y="${base - height}" ` +
      `width="${wide * 0.8}" height="${height}" fill="${own}"/>`;
  }
  out += `<line x1="${LEFT}" x2="${left(T)}" y1="${base}" y2="${base}" stroke="var(--line)"/>`;
  if (!backward()) return out;
  const low = $("log").checked ? percent(largest(lane) / 10 ** DECADES, lane) : "0";
  const label = (y, words) => `<text class="quiet" x="${LEFT - 5}" y="${y}" text-anchor="end" font-size="12">${words}</text>`;
  const line = base - share(whole(lane), top) * bars();                // 100 %, behind the bars and the grey blocks
  return `<line class="whole" x1="${LEFT}" x2="${left(T)}" y1="${line}" y2="${line}" stroke="var(--quiet)" stroke-dasharray="6 4"/>` +
    out + label(y + 10, percent(top, lane)) + label((y + 10 + base) / 2, "credit") + label(base, low);
}

function drawLane(lane, n) {
  const own = `var(--${lane.method})`, y = arcsOf(lane), total = credits(lane), base = y + CELL + bars();
  let out = drawArcs(lane, own) + drawBoxes(lane, y) + drawCredit(lane, y + CELL, own, total);
  if (point && point[0] === n) out += `<rect class="pointed" x="${left(point[1])}" y="${y - 1}" height="${CELL + bars() + 1}" ` +
    `width="${left(point[1] + 1) - left(point[1])}" fill="none" stroke="var(--text)" stroke-width="2"/>`;
  const last = n === sequence.lanes.length - 1;
  if (last) for (let t = 0; t < T; t += unit < 3 ? 50 : unit < 7 ? 20 : 10)
    out += `<text class="quiet" x="${middle(t)}" y="${base + 13}" font-size="12" text-anchor="middle">${t}</text>`;
  if (last) out += `<text class="quiet" x="0" y="${base + 13}" font-size="12">step</text>`;
  const svg = $("stage").children[n].querySelector("svg");
  svg.setAttribute("width", left(T) + 6), svg.setAttribute("height", base + (last ? 17 : 2));
  svg.innerHTML = out;
  const walked = Object.keys(total).filter(t => t >= now()), input = inputOf(total);
  const skips = walkOf(lane).filter(([kind, start]) => kind === SKIP && start >= now());
  $("stage").children[n].querySelector(".count").textContent = position < T ? "" : !backward() ? answers(lane)
    : `${answers(lane)}; visited ${walked.length} of ${T}, ${skips.length} skips; ` +
      `credit at the input ${input ? "up to " : ""}${percent(input, lane)}`;
}

function inputOf(total) {            // the most that arrived at a step that read a symbol
  return Math.max(0, ...Object.entries(total).filter(([t]) => t < data.width).map(([, credit]) => credit));
}

function answers(lane) {
  const right = lane.says.slice(-data.width).filter((s, j) => s === sequence.targets[T - data.width + j]).length;
  return `${right} of ${data.width} right`;
}

function draw() {
  sequence.lanes.forEach(drawLane);
  $("where").textContent = position === 0 ? "before the first step"
    : backward() ? `backward: credit at step ${now()}` : `forward: step ${now()} of ${T - 1}`;
  $("position").value = position;
  $("position").setAttribute("aria-valuetext", $("where").textContent);
  if (left(T) > wide && !point) $("stage").scrollLeft = middle(Math.max(0, now())) - wide / 2;
  say();
}

function say() {                           // a number and a sentence
  const [n, t] = point || [0, now()], lane = sequence.lanes[n];
  const [number, sentence] = point ? tell(lane, t) : guided !== null ? guideSays()
    : position === 0 ? ["", "Nothing has been read yet."] : position === 2 * T ? summary(lane) : tell(lane, t);
  $("words").style.borderColor = guided !== null && !point ? "var(--line)" : `var(--${lane.method})`;
  $("words").setAttribute("aria-live", timer !== null && guided === null ? "off" : "polite");
  const paused = guided !== null && timer === null && !point ? " (Paused: Space or Play goes on.)" : "";
  if ($("number").textContent !== number) $("number").textContent = number;
  if ($("sentence").textContent !== sentence + paused) $("sentence").textContent = sentence + paused;
}

function summary(lane) {
  const input = inputOf(credits(lane)), visited = Object.keys(credits(lane)).length;
  return [`credit ${percent(input, lane)}`, `at a step of the input, in ${lane.name}'s lane, after visits to ${visited} of ${T} steps. ` +
    "Now it is yours: point at (or tap) any step, or press Space to play again."];
}

function list(recalls, lane) {             // in words
  const written = Object.fromEntries(lane.slots), states = recalls.filter(([slot]) => written[slot] !== undefined);
  const heavy = states.filter(([, weight]) => weight >= 0.01).sort((a, b) => b[1] - a[1]), few = heavy.slice(0, 3);
  const shown = few.map(([slot, weight]) => `step ${written[slot]} (weight ${weight.toFixed(2)})`), more = states.length - few.length;
  if (more) shown.push(`${more} ${few.length ? "more" : "states"}${heavy.length > 3 ? "" : " of weight below 0.01"}`);
  if (states.length < recalls.length) shown.push("empty slots");
  return shown.join(", ");
}

function tell(lane, t) {
  const who = `${lane.name}, step ${t}`, reads = `reads ${name(sequence.x[t])}`;
  if (!backward()) {
    if (t >= position) return ["", `${who} has not been read yet.`];
    const right = lane.says[t] === sequence.targets[t], recalls = lane.recalls[t];
    return [recalls.length ? `weight ${Math.max(...recalls.map(recall => recall[1])).toFixed(2)}` : `says ${name(lane.says[t])}`,
      `${who}: ${reads}, ${recalls.length ? `recalls ${list(recalls, lane)}, ` : ""}says ${name(lane.says[t])}` +
      `${right ? ", which is right." : `, but should say ${name(sequence.targets[t])}.`}`];
  }
  const events = walkOf(lane).filter(event => doing(event) >= now()), total = credits(lane)[t];
  const blank = events.find(([kind, start, end]) => kind === NOT_VISITED && end <= t && t <= start);
  if (blank) return ["credit 0 %", `${who} was not visited: no credit reaches its block (steps ${blank[2]} to ${blank[1]}).`];
  if (total === undefined) return ["credit 0 %", `${who}: no credit ${t >= now() ? "arrives here" : "has arrived yet"}.`];
  const skips = events.filter(([kind, , end]) => kind === SKIP && end === t).sort((a, b) => b[3] - a[3]);
  const came = [];
  for (const [kind, start, end, norm, , ] of events) {
    if (kind === LOSS && end === t) came.push(`${percent(norm, lane)} from the loss`);
    if (kind === LOCAL && end === t) came.push(`${percent(norm, lane)} from step ${start}, its neighbour`);
  }
  for (const [, start, , norm, , weight] of skips.slice(0, 2))
    came.push(`${percent(norm, lane)} by a skip from step ${start} (weight ${weight.toFixed(2)})`);
  if (skips.length > 2) came.push(`the rest by ${skips.length - 2} more ${skips.length > 3 ? "skips" : "skip"}`);
  const cut = events.some(([kind, start]) => kind === CUT && start === t) ? ` Cut here: nothing passes to step ${t - 1}.` : "";
  return [`credit ${percent(total, lane)}`, `${who} (${reads}): credit is a slope of ${show(total)}: ${came.join(", ")}.${cut}`];
}

// ---- the guide: three sentences in 30 seconds, about the last answer

const k = data.sequences[0].lanes[0].k_trunc, block = T - (T - 1) % k - 1;     // the first step of the last block
const stops = [[0, 0], [9000, T], [11000, T + 1], [19000, 2 * T - block], [29000, 2 * T], [GUIDE, 2 * T]];

function guidePosition(ms) {
  const n = Math.max(1, stops.findIndex(([end]) => ms <= end)), [[a, from], [b, to]] = [stops[n - 1], stops[n]];
  return Math.floor(from + (to - from) * (ms - a) / (b - a));
}

function guideSays() {
  const [sab, , bptt] = sequence.lanes, said = sequence.targets[T - 1], read = data.width - 1;
  const events = walkOf(sab).filter(event => event[0] <= SKIP), visited = new Set(events.map(event => event[2])).size;
  const arrived = lane => percent(walkOf(lane).reduce((found, e) => e[0] <= SKIP && e[2] === read ? e[4] : found, 0), lane);
  const skips = events.filter(([kind]) => kind === SKIP).sort((a, b) => b[3] - a[3]);
  const path = skips.filter(([, , end]) => end <= read).slice(0, 1);     // the strongest skips from the last block to the input
  while (path.length && path[0][1] < block)
    path.unshift(skips.find(([, , end]) => end >= path[0][1] && Math.floor(end / k) === Math.floor(path[0][1] / k)));
  const hops = path.map(([, start, end], n) => n ? `step ${start} that of step ${end}` : `Step ${start} recalled the state of step ${end}`);
  if (hops.length > 3) hops.splice(2, hops.length - 3, "and so on");
  if (guided < 10000) return ["guide 1/3", `A network reads ten symbols, waits ${data.T} steps and must then say them. Look at its last ` +
    `answer, the ${said} at step ${T - 1}: it was read ${T - 1 - read} steps before. Grey arcs are recalls.`];
  if (guided < 19000) return ["guide 2/3", "Now credit for this answer walks back. " + (path.length
    ? hops.join(", ") + `, so SAB's credit gets there ${path.length > 1 ? `in ${path.length} skips` : "in one skip"}; step by step ` +
      `it is cut at step ${block}, where TBPTT ends.`
    : `Without a recall of the input it ends where it is cut, at step ${block}.`)];
  return ["guide 3/3", `SAB visits ${visited} of ${T} steps, and credit ${arrived(sab)} arrives where the ${said} was read (100 %: the ` +
    `slope at the answer). The model trained with BPTT visits all ${T}: credit ${arrived(bptt)} arrives.`];
}

function free() { if (guided !== null) { guided = null; play(false); } }

// ---- controls

function go(to) { position = Math.max(0, Math.min(2 * T, to)); draw(); if (position === 2 * T && guided === null) play(false); }

function tick() {
  if (guided === null) return go(position + 1);
  guided += 50;
  if (guided >= GUIDE) { go(2 * T); return free(); }
  const to = guidePosition(guided);
  if (to !== position) go(to); else say();
}

function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(tick, guided === null ? Number($("speed").value) : 50) : null;
  $("play").textContent = on ? "Pause" : "Play";
  $("guide").textContent = guided === null ? "Guide" : "End guide";
  say();
}

function guide() {
  if (guided !== null) { free(); return go(2 * T); }
  $("loss").value = data.losses[0];
  guided = 0, position = 0, point = null;
  draw(), play(true);
}

function theme(to) {
  document.documentElement.dataset.theme = to;
  $("theme").textContent = to === "dark" ? "Light" : "Dark";
}

function choose() {                        // the sequence; builds its lanes
  sequence = data.sequences[Number($("sequence").value)];
  $("stage").replaceChildren(...sequence.lanes.map((lane, n) => {
    const one = document.createElement("section");
    const cut = lane.k_trunc ? `cut every ${lane.k_trunc} steps` : "never cut";
    const recall = lane.k_top ? `recalls ${lane.k_top} states a step` : lane.k_top === 0 ? "no recall" : "recalls every stored state";
    one.className = "lane", one.tabIndex = 0, one.role = "group", one.style.setProperty("--own", `var(--${lane.method})`);
    one.innerHTML = '<h2><span><b></b> <span class="whose"></span> <span class="quiet"></span></span>' +
      '<span class="count"></span></h2><svg role="img"></svg>';
    one.querySelector("b").textContent = lane.name;
    one.querySelector(".whose").textContent = lane.parameters + ";";
    one.querySelector(".quiet").textContent = `${cut}, ${recall}`;
    one.setAttribute("aria-label", `${lane.name}, ${lane.parameters}: arrow keys point at its steps`);
    one.querySelector("svg").setAttribute("aria-label", `${lane.name}: the steps, their credit and recalls`);
    one.addEventListener("mousedown", event => event.preventDefault());  // the arrow keys stay those of the page
    one.addEventListener("focus", () => { if (one.matches(":focus-visible")) { point = [n, Math.max(0, now())]; draw(); } });
    one.addEventListener("blur", () => { point = null; draw(); });
    return one;
  }));
  fit();
}

function aim(event) {                      // at the step under the mouse
  const lane = event.target.closest(".lane"), svg = lane && lane.querySelector("svg");
  const t = svg ? edges.findLastIndex(edge => edge <= (event.clientX - svg.getBoundingClientRect().left - LEFT) / unit) : -1;
  const to = t < 0 || t >= T ? null : [[...$("stage").children].indexOf(lane), t];
  if (String(to) !== String(point)) { point = to; draw(); }
}

function goTo(t) { free(); go(backward() ? 2 * T - t : t + 1); }

function fit() {                           // boxes to the window's width, lanes to its height
  wide = $("stage").clientWidth;
  symbol = wide < NARROW ? 8 : 2;
  for (let t = 0; t < T; t++) edges[t + 1] = edges[t] + (t < data.width || t >= T - data.width - 1 ? symbol : 1);
  unit = Math.max(wide < NARROW ? 0.8 : 3.6, (wide - LEFT - 8) / edges[T]);
  const headings = [...$("stage").querySelectorAll("h2")], total = (fixed, h2) => fixed + h2.offsetHeight + CELL + 3;
  for (const h2 of headings) h2.style.width = wide + "px";
  const fixed = headings.reduce(total, $("stage").getBoundingClientRect().top + scrollY + 68);
  tall = Math.max(0.75, Math.min(2.5, (innerHeight - fixed) / (BARS * headings.length + ARCS * 2.3)));
  draw();
}

function onLane(event, lane) {             // keys of a lane that has the focus
  const n = [...$("stage").children].indexOf(lane), t = point ? point[1] : Math.max(0, now());
  const to = { ArrowLeft: t - 1, ArrowRight: t + 1, Home: 0, End: T - 1 }[event.key];
  if (to !== undefined) { point = [n, Math.max(0, Math.min(T - 1, to))]; draw(); }
  else if (event.key === "Enter") goTo(t);
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const other = $("stage").children[n + (event.key === "ArrowUp" ? -1 : 1)];
    if (other) { other.focus(); point = [[...$("stage").children].indexOf(other), t]; draw(); }
  } else return false;
  return true;
}

const keys = {
  ArrowLeft: () => { free(); go(position - 1); }, ArrowRight: () => { free(); go(position + 1); },
  Home: () => { free(); go(0); }, End: () => { free(); go(2 * T); }, b: () => { free(); go(T + 1); },
  " ": () => { if (guided === null) position %= 2 * T; play(timer === null); },
  g: guide, Escape: () => { if (guided !== null) guide(); }, l: () => $("log").click(), d: () => $("theme").click(),
};
const buttons = { first: "Home", back: "ArrowLeft", play: " ", next: "ArrowRight", turn: "b", last: "End", guide: "g" };
for (const [id, key] of Object.entries(buttons)) $(id).addEventListener("click", keys[key]);
$("position").addEventListener("input", () => { free(); go(Number($("position").value)); });
$("sequence").addEventListener("change", choose);
$("loss").addEventListener("change", () => { free(); draw(); });
$("log").addEventListener("change", draw);
$("speed").addEventListener("change", () => play(timer !== null));
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
addEventListener("resize", fit);
$("stage").addEventListener("pointermove", aim);
$("stage").addEventListener("pointerleave", () => { point = null; draw(); });
$("stage").addEventListener("click", event => { aim(event); if (point) goTo(point[1]); });
addEventListener("keydown", event => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, on = event.target.tagName;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.className === "lane" && onLane(event, event.target)) return event.preventDefault();
  const theirs = on === "SELECT" || key === " " && (on === "SUMMARY" || on === "BUTTON" || event.target.type === "checkbox");
  if (!keys[key] || theirs) return;        // they use the key themselves
  event.preventDefault(), keys[key]();
});

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
theme(dark.matches ? "dark" : "light");
$("model").textContent = `${data.model}, k_trunc=${data.trained.k_trunc}, k_top=${data.trained.k_top}`;
$("loss").replaceChildren(...data.losses.map(label => new Option(label)));
const label = one => `${one.number}: ${one.x.slice(0, data.width).join(" ")}`;
$("sequence").replaceChildren(...data.sequences.map((one, n) => new Option(label(one), n)));
$("position").max = 2 * T;
choose();
play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
