// One line for each job, with its name, in the colour of its rule. Only the lines in view are elements
// of the page, so that thousands of jobs scroll as few do; above them, a map shows all jobs at once.

const PHASE_KINDS = ["waiting", "starting", "moving", "running", "moving", "lost", "failed"];

// `open`: called with the job whose name is pressed.
function gantt(where, data, open) {
  const axis = make("div", "g-axis"), rows = make("div", "g-rows"), grid = make("div", "g-grid");
  where.replaceChildren(axis, rows);
  const map = overview(where);
  let jobs = [], from = data.began, to = data.ended, height = 0, seen = "";
  const share = (at) => Math.max(0, Math.min(1, (at - from) / (to - from)));
  const left = (at) => `${100 * share(at)}%`;

  function bar(job, [phase, start, stop, number]) {
    const made = make("i", `bar b-${PHASE_KINDS[phase]}`);
    const [a, b] = [data.began + start, data.began + stop];
    made.style.left = left(a);
    made.style.width = `${(100 * (b - a)) / (to - from)}%`;
    made.words = () => {
      const attempt = job.attempts[number];
      const used = attempt.peak === undefined ? "" : `${memory(attempt.peak)} of ${memory(attempt.asked)}`;
      return [job.label, [
        [data.phases[phase], seconds(stop - start)],
        ["from", `${clock(a * 1000, days())} to ${clock(b * 1000, days())}`],
        ["queue", attempt.queue], ["machine", attempt.machine],
        ["attempt", job.attempts.length > 1 ? `${number + 1} of ${job.attempts.length}` : ""],
        ["memory", used], ["cause", attempt.cause],
      ].filter((pair) => pair[1])];
    };
    return made;
  }

  const days = () => data.ended - data.began > 20 * HOUR;

  function line(job, index) {
    const name = make("button", "g-name", make("i", `chip r${job.rule % 10}`), make("span", "", job.label));
    name.type = "button";
    name.title = job.label;
    name.addEventListener("click", () => open(job));
    const lane = make("div", "g-lane", job.phases ? job.phases.map((phase) => bar(job, phase)) : []);
    const made = make("div", `g-row r${job.rule % 10}${index % 2 ? " odd" : ""}`, name, lane);
    made.style.top = `${index * height}px`;
    return made;
  }

  function look() {
    const first = Math.max(0, Math.floor(where.scrollTop / height) - 6);
    const last = Math.min(jobs.length, Math.ceil((where.scrollTop + where.clientHeight) / height) + 6);
    map.mark(where.scrollTop / height / jobs.length, where.clientHeight / height / jobs.length);
    if (seen === `${first} ${last}`) return;
    seen = `${first} ${last}`;
    // What has the focus stays an element.
    const focus = document.activeElement && rows.contains(document.activeElement) ? document.activeElement.title : null;
    rows.replaceChildren(grid, ...jobs.slice(first, last).map((job, i) => line(job, first + i)));
    if (focus !== null) [...rows.querySelectorAll("button")].find((each) => each.title === focus)?.focus({ preventScroll: true });
  }

  function lay() {
    height = isNarrow() ? 40 : 24;
    // As wide as the longest name, while the lines have the greater part.
    const longest = jobs.reduce((most, { label }) => Math.max(most, label.length), 8);
    const name = isNarrow() ? 0 : Math.round(Math.min(48 + longest * 7.3, Math.max(170, where.clientWidth * 0.4)));
    for (const each of [where, where.previousSibling]) each.style.setProperty("--name", `${name}px`);
    rows.style.height = `${Math.max(1, jobs.length) * height}px`;
    const lane = make("div", "g-lane");
    axis.replaceChildren(make("span", "g-name"), lane);
    const width = lane.clientWidth || where.clientWidth;
    const lines = [];
    for (const { at, label } of timeTicks(from, to, width)) {
      const tick = make("span", "g-tick", label), rule = make("i", "");
      tick.style.left = rule.style.left = left(at);
      if ((at - from) / (to - from) > 1 - 40 / width) tick.classList.add("end");
      else if ((at - from) / (to - from) < 20 / width) tick.classList.add("start");
      lane.append(tick);
      lines.push(rule);
    }
    grid.replaceChildren(...lines);
    map.draw(jobs, data, share);
    seen = "";
    look();
  }

  where.addEventListener("scroll", () => requestAnimationFrame(look), { passive: true });
  for (const name of ["pointermove", "pointerdown"]) {
    where.addEventListener(name, (event) => say(event, event.target.words ? event.target.words() : null));
  }
  where.addEventListener("pointerleave", () => say(null, null));
  return {
    // All jobs stand below the run's whole time, some below their own.
    show(picked) {
      jobs = picked;
      const times = jobs.flatMap((job) => job.phases || []);
      const first = times.reduce((least, phase) => Math.min(least, phase[1]), Infinity);
      const last = times.reduce((most, phase) => Math.max(most, phase[2]), -Infinity);
      const some = jobs.length < data.jobs.length && first < last;
      [from, to] = some ? [data.began + first, data.began + last] : [data.began, Math.max(data.ended, data.began + 1)];
      where.hidden = !jobs.length;
      where.scrollTop = 0;
      lay();
    },
    lay,
  };
}
