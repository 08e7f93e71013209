// Several runs side by side: their jobs at a time on the same axes, and one table of all their jobs.

const STACKED = ["running", "staging in", "staging out", "failed", "lost", "starting", "waiting"];
const phaseColour = (name) => colour("--" + name.replace(" ", "-"));
const unknown = (value, words) => (value === undefined ? "" : words(value));
const letter = (data, side) => make("b", `letter s${data.letters[side]}`, data.letters[side]);
const of = (job, side) => job.sides.find((each) => each.side === side);

// The last run that has a job, compared with the first.
function ratio(job) {
  const known = job.sides.filter((each) => each.state === "done" && each.total);
  return known.length < 2 ? undefined : known[known.length - 1].total / known[0].total;
}

function changed(found) {
  if (Math.abs(found - 1) < 0.005) return "none";
  return found >= 2 ? `${found.toFixed(1)} times` : `${found < 1 ? "−" : "+"}${Math.abs(Math.round(100 * (found - 1)))} %`;
}

function columnsOf(data) {
  const sides = data.letters.map((_, i) => i);
  const state = (each) => (each ? make("span", `badge ${each.state}`, each.state) : "");
  return [
    { name: "Job", kind: "name", value: (job) => job.label, cell: (job) => [make("i", `chip r${job.rule % 10}`), make("span", "", job.label)] },
    ...sides.map((side) => ({ name: `State ${data.letters[side]}`, kind: "text", value: (job) => of(job, side)?.state, cell: (job) => state(of(job, side)) })),
    ...sides.map((side) => ({ name: `Time ${data.letters[side]}`, most: true, value: (job) => of(job, side)?.total, cell: (job) => unknown(of(job, side)?.total, seconds) })),
    { name: "Change", most: true, about: "of the time, from the first to the last", value: ratio, cell: (job) => unknown(ratio(job), changed) },
    ...sides.map((side) => ({ name: `Memory ${data.letters[side]}`, most: true, value: (job) => of(job, side)?.peak, cell: (job) => unknown(of(job, side)?.peak, memory) })),
  ];
}

function details(data, job) {
  const first = job.sides[0];
  return make("div", "opened even", job.sides.map((each) => {
    const list = make("dl", "facts small");
    const add = (name, content) => { if (content) list.append(make("dt", "", name), make("dd", "", content)); };
    add("state", `${each.state} ${each.cause || ""}`);
    add("message", each.sentence);
    add("time", unknown(each.total, seconds));
    add("memory", each.peak === undefined ? `requested ${memory(each.asked)}` : `${memory(each.peak)} of ${memory(each.asked)}`);
    add("machine", each.machine);
    add("attempts", String(each.attempts));
    add("cost", unknown(each.cost, (found) => cost(found, data.currency)));
    add("software", each !== first && each.software === first.software ? "the same" : each.software);
    add("command", each.command && (each !== first && each.command === first.command ? "the same" : make("pre", "", each.command)));
    return make("div", "attempt", make("h4", "", letter(data, each.side)), list);
  }));
}

const KINDS = {
  state: (job) => new Set(job.sides.map((each) => each.state)).size > 1,
  time: (job) => Math.abs((ratio(job) ?? 1) - 1) >= 0.1,
  only: (job, runs) => job.sides.length < runs,
  command: (job) => new Set(job.sides.map((each) => `${each.command}\n${each.software}`)).size > 1,
};

function jobsOf(data) {
  const { rule, show, find } = Object.fromEntries(["rule", "show", "find"].map((id) => [id, place(id)]));
  const table = sortedTable(place("table"), columnsOf(data), { caption: "Jobs of all runs", detail: (job) => details(data, job) });
  function apply() {
    const text = find.value.trim().toLowerCase();
    const picked = data.jobs.filter((job) =>
      (!rule.value || job.rule === Number(rule.value)) && (!show.value || KINDS[show.value](job, data.letters.length)) && (!text || job.label.toLowerCase().includes(text)));
    place("shown").textContent = picked.length === data.jobs.length ? `${many(picked.length)} jobs` : `${many(picked.length)} of ${many(data.jobs.length)} jobs`;
    table.show(picked);
  }
  let timer = 0;
  for (const each of [rule, show]) each.addEventListener("change", apply);
  find.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 150); });
  place("controls").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-rule]");
    if (!link) return;
    event.preventDefault();
    [rule.value, show.value, find.value] = [link.dataset.rule, "", ""];
    apply();
    place("jobs").scrollIntoView();
  });
  apply();
}

async function begin() {
  if (typeof DecompressionStream === "undefined") {
    place("old").hidden = false;
    return;
  }
  const data = await unpacked("data");
  jobsOf(data);
  const series = (areas) => {
    const found = new Map(areas.phase);
    return STACKED.filter((name) => found.has(name)).map((name) => [name, found.get(name), phaseColour(name)]);
  };
  const sums = data.areas.flatMap((areas) => Array.from({ length: areas.bins }, (_, bin) => areas.phase.reduce((sum, [, values]) => sum + values[bin], 0)));
  const highest = sums.reduce((most, sum) => Math.max(most, sum), 1);
  const longest = data.areas.reduce((most, { began, ended }) => Math.max(most, ended - began), 0);
  const all = async () => {
    for (const [i, areas] of data.areas.entries()) {
      await draw(`areas-${i}`, (width) => stack(areas, series(areas), width, 130, { highest, until: areas.began + longest, zero: areas.began }));
    }
    legend("phases", STACKED.filter((name) => data.areas.some(({ phase }) => phase.some(([each]) => each === name))).map((name) => [name, `p-${name.replace(" ", "-")}`]));
    drawn();
  };
  redrawn(all);
  later(all);
}

begin().catch((error) => console.error(error));
