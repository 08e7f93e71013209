// The report of one run: draws its charts, and lets jobs be picked, sorted and opened.

const unknown = (value, words) => (value === undefined ? "" : words(value));
const last = (job) => job.attempts[job.attempts.length - 1];
// From the bottom: what works, what is lost, what waits.
const STACKED = ["running", "staging in", "staging out", "failed", "lost", "starting", "waiting"];
const phaseColour = (name) => colour("--" + name.replace(" ", "-"));

function byState(data) {
  const found = new Map(data.areas.phase);
  return STACKED.filter((name) => found.has(name)).map((name) => [name, found.get(name), phaseColour(name)]);
}

function byRule(data) {
  const found = new Map(data.areas.rule);
  return data.rules.flatMap(({ name }, i) => (found.has(name) ? [[name, found.get(name), colour(`--r${i % 10}`)]] : []));
}

const byQueue = (data) => [...data.areas.queue].sort().map(([name, values], i) => [name, values, colour(`--r${i % 10}`)]);

const files = (n = 0) => `${many(n)} ${n === 1 ? "file" : "files"}`;
// The last part of an image's or a file's name, which tells most.
const short = (name) => name.split("/").pop().split("@")[0];

function columnsOf(data) {
  const days = data.ended - data.began > 20 * HOUR;
  const at = (time) => clock((data.began + time) * 1000, days);
  const state = (job) => [
    make("span", `badge ${job.state}`, job.state),
    last(job).cause ? make("small", "", last(job).cause) : "",
  ];
  const software = (job) => job.environment || job.image || "";
  const of = (value, whole) => [value, make("small", "", `of ${whole}`)];
  return [
    { name: "Job", kind: "name", value: (job) => job.label, cell: (job) => [make("i", `chip r${job.rule % 10}`), make("span", "", job.label)] },
    { name: "State", kind: "text", value: (job) => `${job.state} ${last(job).cause || ""}`, cell: state },
    { name: "Software", kind: "text extra", about: "conda environment, or image", value: software, cell: (job) => make("span", "cut", software(job).split("\n").map(short).join(", ")) },
    { name: "Exit", kind: "extra", about: "exit code of the command", value: (job) => last(job).exit, cell: (job) => unknown(last(job).exit, String) },
    { name: "Started", value: (job) => last(job).started, cell: (job) => unknown(last(job).started, at), about: "the container of the last attempt" },
    { name: "Waited", most: true, value: (job) => job.waited, cell: (job) => unknown(job.waited, seconds), about: "for machines, all attempts" },
    { name: "Time", most: true, value: (job) => last(job).total, cell: (job) => unknown(last(job).total, seconds), about: "of the last container" },
    { name: "Memory", most: true, value: (job) => last(job).peak, cell: (job) => unknown(last(job).peak, (mib) => of(memory(mib), memory(last(job).asked))), about: "highest, of what was requested" },
    { name: "vCPUs", kind: "extra", most: true, value: (job) => last(job).cores, cell: (job) => unknown(last(job).cores, (cores) => of(cores.toFixed(1), String(last(job).vcpus))), about: "busy on average, of those requested" },
    { name: "Fetched", most: true, value: (job) => last(job).bytes_in, cell: (job) => unknown(last(job).bytes_in, amount), about: "from S3" },
    { name: "Stored", most: true, value: (job) => last(job).bytes_out, cell: (job) => unknown(last(job).bytes_out, amount), about: "in S3" },
    ...(data.currency === null ? [] : [{ name: "Cost", most: true, value: (job) => job.cost && job.cost[1], cell: (job) => unknown(job.cost, (found) => cost(found, data.currency)) }]),
  ];
}

// What is below an open row.
function details(data, job, pick) {
  const days = data.ended - data.began > 20 * HOUR;
  const at = (time) => clock((data.began + time) * 1000, days);
  const list = make("dl", "facts");
  const add = (name, ...content) => { if (content.flat(Infinity).some((each) => each)) list.append(make("dt", "", name), make("dd", "", content)); };
  const pre = (text) => make("pre", "", text);
  const urls = (found) => (found || []).map((url) => make("code", "", url));
  const rule = make("a", "", data.rules[job.rule].name);
  rule.href = `#rule-${job.rule}`;
  const only = make("button", "link", "only this rule's jobs");
  only.type = "button";
  only.addEventListener("click", () => pick(job.rule));
  add("rule", rule, " · ", only);
  add("message", job.sentence);
  add("command", job.command ? pre(job.command) : "");
  add("log end", job.log_end ? pre(job.log_end) : "");
  add("environment", urls(job.environment?.split("\n")));
  add("image", urls(job.image ? [job.image] : []), job.mode ? make("small", "", ` ${job.mode} mode`) : "");
  add("results", urls(job.outputs));
  add("log files", urls(job.logs));
  add("its task in S3", urls(job.task ? [job.task] : []));
  add("its output", last(job).id ? make("code", "", `hutchbatch logs ${last(job).id}`) : "");
  const facts = [
    ["retry", (a) => a.retry, (a) => String(a.retry)],
    ["state", () => true, (a) => [make("span", `badge ${a.state}`, a.state), a.cause ? ` ${a.cause}` : "", a.exit === undefined ? "" : ` exit ${a.exit}`]],
    ["queue", (a) => a.queue, (a) => a.queue],
    ["machine", (a) => a.machine || a.instance, (a) => [a.machine, a.instance, a.capacity].filter(Boolean).join(", ")],
    ["started", (a) => a.started !== undefined, (a) => at(a.started)],
    ["waited", (a) => a.waited !== undefined, (a) => seconds(a.waited)],
    ["time", (a) => a.total !== undefined, (a) => seconds(a.total)],
    ["fetching files", (a) => a.stage_in !== undefined, (a) => seconds(a.stage_in)],
    ["its command", (a) => a.run !== undefined, (a) => seconds(a.run)],
    ["storing files", (a) => a.stage_out !== undefined, (a) => seconds(a.stage_out)],
    ["memory", (a) => a.asked, (a) => (a.peak === undefined ? `requested ${memory(a.asked)}` : `${memory(a.peak)} of ${memory(a.asked)}`)],
    ["vCPUs", (a) => a.vcpus, (a) => (a.cores === undefined ? `requested ${a.vcpus}` : `${a.cores.toFixed(1)} of ${a.vcpus}`)],
    ["GPUs", (a) => a.gpus, (a) => String(a.gpus)],
    ["fetched", (a) => a.bytes_in !== undefined, (a) => `${amount(a.bytes_in)}, ${files(a.files_in)}`],
    ["stored", (a) => a.bytes_out !== undefined, (a) => `${amount(a.bytes_out)}, ${files(a.files_out)}`],
    ["reason", (a) => a.said && a.said !== job.sentence, (a) => a.said],
    ["job on AWS Batch", (a) => a.id, (a) => make("code", "", a.id)],
    ["log stream", (a) => a.stream, (a) => make("code", "", a.stream)],
  ];
  const attempts = job.attempts.map((attempt, i) => {
    const known = make("dl", "facts small");
    for (const [name, has, words] of facts) if (has(attempt)) known.append(make("dt", "", name), make("dd", "", words(attempt)));
    return make("div", "attempt", make("h4", "", job.attempts.length > 1 ? `Attempt ${i + 1} of ${job.attempts.length}` : "Attempt"), known);
  });
  return make("div", `opened${attempts.length > 1 ? " several" : ""}`, list, make("div", "attempts", attempts));
}

const KINDS = {
  failed: (job) => job.state === "failed" || (job.state === "lost" && !job.phases),
  lost: (job) => Boolean(job.lost),
  killed: (job) => Boolean(job.killed),
  again: (job) => job.attempts.length > 1,
  stopped: (job) => job.state === "ended" || job.state === "not sent",
  open: (job) => job.state === "waiting" || job.state === "running",
};

function textOf(job) {
  job.text ??= [job.label, job.command, job.environment, job.image, job.sentence, ...job.attempts.flatMap((a) => [a.cause, a.queue, a.machine, a.instance, a.id])].filter(Boolean).join("\n").toLowerCase();
  return job.text;
}

function charts(data) {
  const stacked = () => (place("by-rule").checked ? byRule(data) : byState(data));
  const areas = async () => {
    const rules = place("by-rule").checked;
    legend("phases", rules ? byRule(data).map(([name]) => [name, `r${data.rules.findIndex((each) => each.name === name) % 10}`]) : byState(data).map(([name]) => [name, `p-${name.replace(" ", "-")}`]));
    await draw("areas", (width) => stack(data, stacked(), width, 190));
  };
  const rest = async () => {
    for (const [field, unit] of [["seconds", "time"], ["memory_share", "share"], ["cpu_share", "share"]]) {
      if (!place(field)) continue;
      if (data.rules.some((rule) => rule[field] || (field === "memory_share" && rule.killed.length))) {
        await draw(field, (width) => spreads(data.rules, field, width, unit));
      } else {
        place(field).textContent = "Not known for any job.";
        place(field).classList.add("empty");
        for (const name of ["role", "aria-label"]) place(field).removeAttribute(name);
      }
    }
    if (place("use")) await draw("use", (width) => stack(data, byQueue(data), width, 170));
  };
  legend("queue-legend", byQueue(data).map(([name], i) => [name, `r${i % 10}`]));
  return { areas, rest };
}

function jobsOf(data) {
  const { rule, show, find } = Object.fromEntries(["rule", "show", "find"].map((id) => [id, place(id)]));
  data.rules.forEach(({ name }, i) => rule.append(new Option(name, String(i))));
  const table = sortedTable(place("table"), columnsOf(data), {
    caption: "Jobs of the run", detail: (job) => details(data, job, pick), sorted: (ordered) => lines.show(ordered),
  });
  const lines = gantt(place("gantt"), data, (job) => table.open(job));
  function apply() {
    const text = find.value.trim().toLowerCase();
    const picked = data.jobs.filter((job) =>
      (!rule.value || job.rule === Number(rule.value)) && (!show.value || KINDS[show.value](job)) && (!text || textOf(job).includes(text)));
    place("shown").textContent = picked.length === data.jobs.length ? `${many(picked.length)} jobs` : `${many(picked.length)} of ${many(data.jobs.length)} jobs`;
    lines.show(table.show(picked));
  }
  function pick(number, kind = "") {
    [rule.value, show.value, find.value] = [String(number), kind, ""];
    apply();
    place("jobs").scrollIntoView();
  }
  let timer = 0;
  for (const each of [rule, show]) each.addEventListener("change", apply);
  find.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 150); });
  place("controls").addEventListener("submit", (event) => event.preventDefault());
  // Links of other parts of the page to the jobs of a rule, or to one job.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-rule], a[data-job]");
    if (!link) return;
    event.preventDefault();
    if (link.dataset.job === undefined) return pick(Number(link.dataset.rule), link.dataset.kind);
    [rule.value, show.value, find.value] = ["", "", ""];
    apply();
    table.open(data.jobs[Number(link.dataset.job)]);
  });
  legend("rules-legend", data.rules.length > 30 ? [] : data.rules.map(({ name }, i) => [name, `r${i % 10}`]));
  for (const each of document.querySelectorAll("[data-live]")) each.hidden = false;
  apply();
  return lines;
}

async function begin() {
  if (typeof DecompressionStream === "undefined") {
    place("old").hidden = false;
    return;
  }
  const packed = await unpacked("data");
  const data = { ...packed, ...packed.areas, areas: packed.areas };
  const lines = place("controls") ? jobsOf(data) : null;
  const { areas, rest } = charts(data);
  const all = async () => {
    if (place("areas")) await areas();
    lines?.lay();
    await rest();
    drawn();
  };
  for (const id of ["by-state", "by-rule"]) place(id)?.addEventListener("change", () => later(areas));
  redrawn(all);
  later(all);
}

begin().catch((error) => console.error(error));
