// Draws the pictures, again when colours or the width change, and lets jobs be picked.

const data = JSON.parse(document.getElementById("data").textContent);
const place = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const phaseColour = (name) => colour("--" + name.replace(" ", "-"));
// From the bottom: what works, what is lost, what waits.
const STACKED = ["running", "staging in", "staging out", "failed", "lost", "starting", "waiting"];
const queueColours = () => data.queues.map((_, i) => colour(`--q${i % 8}`));

async function draw(id, make) {
  const where = place(id);
  if (!where) return;
  const { spec, data: values, tip } = make(Math.floor(where.clientWidth));
  const { view } = await vegaEmbed(where, { ...spec, config: config(colour) }, {
    // `ast`: expressions are interpreted, since the page's policy allows no eval.
    actions: false, ast: true, renderer: "canvas", defaultStyle: false, mode: "vega-lite", tooltip: false,
    // Given here, so that Vega-Lite copies none of many.
    patch: (vega) => {
      for (const source of vega.data) if (values[source.name]) source.values = values[source.name];
      return vega;
    },
  });
  const tell = (event, item) => say(event, item && item.datum ? tip(item.datum) : null);
  for (const name of ["pointermove", "pointerdown"]) view.addEventListener(name, tell);
  where.onpointerleave = () => say(null, null);
}

// The words beside the pointer.
function say(event, words) {
  const tip = place("tip");
  tip.hidden = !words;
  if (!words) return;
  const title = document.createElement("b"), list = document.createElement("dl");
  title.textContent = words[0];
  for (const [name, value] of words[1]) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  tip.replaceChildren(title, list);
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const left = event.clientX + 14 + width > room ? event.clientX - 14 - width : event.clientX + 14;
  const above = event.clientY + 14 + height > innerHeight;
  tip.style.left = `${Math.max(4, Math.min(left, room - width - 4))}px`;
  tip.style.top = `${Math.max(4, above ? event.clientY - 14 - height : event.clientY + 14)}px`;
}

function legend(id, names, variables) {
  const where = place(id);
  if (!where) return;
  where.replaceChildren(...names.map((name, i) => {
    const item = document.createElement("li"), chip = document.createElement("i");
    chip.style.background = `var(${variables[i]})`;
    item.append(chip, name);
    return item;
  }));
}

function picked() {
  const rule = place("rule").value, show = place("show").value;
  const text = place("find").value.trim().toLowerCase();
  return data.jobs.filter((job) =>
    (!rule || job.rule === Number(rule)) &&
    (!show || (show === "lost" ? job.lost : show === "failed" ? job.state === "failed" : job.state === "waiting" || job.state === "running")) &&
    (!text || job.label.toLowerCase().includes(text)));
}

function drawJobs() {
  const jobs = picked();
  const many = (n) => n.toLocaleString("en-US");
  place("shown").textContent = jobs.length === data.jobs.length ? `${many(jobs.length)} jobs` : `${many(jobs.length)} of ${many(data.jobs.length)} jobs`;
  if (!jobs.some((job) => job.phases.length)) {
    place("jobs").replaceChildren();
    return Promise.resolve();
  }
  return draw("jobs", (width) => waterfall(data, jobs, data.phases, data.phases.map(phaseColour), colour("--quiet"), width));
}

async function drawAll() {
  if (place("areas")) {
    await draw("areas", (width) => stack(data, data.areas, STACKED, STACKED.map(phaseColour), width, 190));
    await drawJobs();
  }
  for (const [field, unit] of [["seconds", "time"], ["memory_share", "share"], ["cpu_share", "share"]]) {
    if (!place(field)) continue;
    if (data.rules.some((rule) => rule[field])) {
      await draw(field, (width) => spreads(data.rules, field, colour, width, unit));
    } else {
      place(field).textContent = "Not known for any job.";
      place(field).classList.add("empty");
    }
  }
  if (place("use")) {
    await draw("use", (width) => stack(data, data.use, data.queues, queueColours(), width, 170));
  }
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn || 0) + 1);
}

// What is drawn is whole before it is drawn again.
let drawing = Promise.resolve();
const later = (work) => { drawing = drawing.then(work).catch((error) => console.error(error)); };
let timer = 0;
const soon = (work, after) => { clearTimeout(timer); timer = setTimeout(() => later(work), after); };

for (const each of document.querySelectorAll("time")) {
  each.textContent = new Date(each.dateTime).toLocaleString([], { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
}
legend("phases", data.phases, data.phases.map((name) => "--" + name.replace(" ", "-")));
legend("queue-legend", data.queues, data.queues.map((_, i) => `--q${i % 8}`));
if (place("controls")) {
  data.rules.forEach((rule, i) => place("rule").append(new Option(rule.name, String(i))));
  for (const id of ["rule", "show"]) place(id).addEventListener("change", () => soon(drawJobs, 0));
  place("find").addEventListener("input", () => soon(drawJobs, 250));
  place("controls").addEventListener("submit", (event) => event.preventDefault());
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => later(drawAll));
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;  // phones hide and show their address bar
  width = innerWidth;
  soon(drawAll, 200);
});
later(drawAll);
