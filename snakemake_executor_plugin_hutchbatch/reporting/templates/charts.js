// The pictures: functions of the data, the colours and the width. Each gives a Vega-Lite specification
// (`spec`), the values of its named data (`data`), and what to say of a mark under the pointer (`tip`:
// a title and pairs of words).

const HOUR = 3600;

function seconds(value) {
  if (value < 1) return `${Math.round(value * 10) / 10} s`;
  if (value < 60) return `${Math.round(value)} s`;
  if (value < HOUR) {
    const left = Math.round(value % 60);
    return `${Math.floor(value / 60)} min` + (left && value < 600 ? ` ${left} s` : "");
  }
  const minutes = Math.round((value % HOUR) / 60);
  return `${Math.floor(value / HOUR)} h` + (minutes ? ` ${minutes} min` : "");
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

function config(colour) {
  const quiet = colour("--quiet");
  return {
    background: "transparent",
    font: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: quiet, titleColor: quiet, gridColor: colour("--line"), domainColor: colour("--line"),
      tickColor: colour("--line"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
    },
  };
}

// Left of the pictures over time, so that their times stand below each other.
const MARGIN = 44;

const STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR];

// Times as plain numbers: Vega-Lite's own time scales take no fixed domain where there is an x2.
function timeAxis(from, to, width) {
  const until = Math.max(to, from + 1);
  const most = width < 500 ? 4 : 9;
  const step = STEPS.find((each) => (until - from) / each <= most) || Math.ceil((until - from) / most / 86400) * 86400;
  const zone = new Date(from * 1000).getTimezoneOffset() * 60;
  const values = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= until; at += step) values.push(at * 1000);
  const days = until - from > 20 * HOUR;
  const format = step >= 24 * HOUR ? "%e %b" : days ? "%e %b %H:%M" : step < 60 ? "%H:%M:%S" : "%H:%M";
  return {
    type: "quantitative", title: null, scale: { domain: [from * 1000, until * 1000], nice: false, zero: false },
    axis: { grid: false, values, labelExpr: `timeFormat(datum.value, '${format}')`, labelOverlap: true, labelBound: true },
  };
}

// Stacked areas of the averages in equal spans of time, with all of them under the pointer.
function stack(data, series, names, colours, width, height) {
  const span = ((data.ended - data.began) * 1000) / data.bins;
  const began = data.began * 1000;
  const shown = names.filter((name) => series[name]);
  const areas = [], spans = [];
  let highest = 0;
  for (let bin = 0; bin < data.bins; bin++) {
    const at = began + bin * span;
    let sum = 0;
    shown.forEach((name, order) => {
      const value = series[name][bin];
      sum += value;
      areas.push({ at, name, order, value });
      if (bin === data.bins - 1) areas.push({ at: at + span, name, order, value });
    });
    highest = Math.max(highest, sum);
    spans.push({ at, until: at + span, bin });
  }
  const few = highest < 5 ? { values: Array.from({ length: Math.ceil(highest) + 1 }, (_, i) => i), format: "d" } : { tickCount: 5 };
  const scale = highest < 5 ? { domain: [0, Math.max(1, Math.ceil(highest))] } : {};
  const round = (value) => (value < 9.95 ? Math.round(value * 10) / 10 : Math.round(value));
  return {
    spec: {
      width, height, autosize: { type: "fit", contains: "padding" },
      layer: [
        {
          data: { name: "areas" }, mark: { type: "area", interpolate: "step-after" },
          encoding: {
            x: { field: "at", ...timeAxis(data.began, data.ended, width) },
            y: { field: "value", type: "quantitative", stack: "zero", title: null, scale, axis: { ...few, minExtent: MARGIN, maxExtent: MARGIN } },
            order: { field: "order" },
            color: { field: "name", type: "nominal", legend: null, scale: { domain: names, range: colours } },
          },
        },
        { data: { name: "spans" }, mark: { type: "rect", opacity: 0 }, encoding: { x: { field: "at", type: "quantitative" }, x2: { field: "until" } } },
      ],
    },
    data: { areas, spans },
    tip: ({ at, until, bin }) => bin === undefined ? null : [
      `${clock(at)} to ${clock(until)}`,
      shown.filter((name) => series[name][bin] >= 0.05).map((name) => [name, round(series[name][bin])]),
    ],
  };
}

// One line for each job; its name stands beside it where there is room.
function waterfall(data, jobs, names, colours, quiet, width) {
  const labelled = jobs.length <= 40;
  const narrow = width < 500;  // names stand above the lines
  const step = labelled ? (narrow ? 34 : 22) : Math.min(12, 560 / jobs.length);
  const lines = [];
  let first = Infinity, last = -Infinity;
  jobs.forEach((job, row) => {
    for (const [phase, from, to, attempt] of job.phases) {
      first = Math.min(first, from);
      last = Math.max(last, to);
      const line = { row, name: names[phase], from: (data.began + from) * 1000, to: (data.began + to) * 1000, attempt };
      if (labelled) line.key = `${row}\u2063${job.label}`;
      lines.push(line);
    }
  });
  // On top of what lies beside them where lines are thinner than a pixel.
  const rank = { lost: 1, failed: 2 };
  lines.sort((a, b) => (rank[a.name] || 0) - (rank[b.name] || 0) || a.row - b.row);
  // All jobs stand below the run's whole time, some below their own.
  if (jobs.length === data.jobs.length || first >= last) [first, last] = [0, data.ended - data.began];
  const y = labelled
    ? {
        field: "key", type: "ordinal", sort: { field: "row" }, title: null, scale: { paddingInner: 0.35, paddingOuter: 0.2 },
        axis: narrow ? null : { labelExpr: "split(datum.label, '\u2063')[1]", labelLimit: 320, labelPadding: 8, minExtent: MARGIN, ticks: false, domain: false, grid: false, labelOverlap: false },
      }
    : {
        field: "row", type: "quantitative", title: null,
        scale: { domain: [-0.5, jobs.length - 0.5], reverse: true, nice: false, zero: false },
        axis: { labels: false, ticks: false, grid: false, domain: false, minExtent: MARGIN },
      };
  return {
    spec: {
      width, height: Math.max(1, Math.round(jobs.length * step)) + 26, autosize: { type: "fit", contains: "padding" },
      layer: [
        {
          data: { name: "lines" },
          mark: !labelled ? { type: "rule", strokeWidth: Math.max(step > 4 ? step * 0.75 : step, 1), strokeCap: "butt" }
            : narrow ? { type: "bar", height: 11, yOffset: 8, cornerRadius: 2 } : { type: "bar", cornerRadius: 2 },
          encoding: {
            x: { field: "from", ...timeAxis(data.began + first, data.began + last, width) }, x2: { field: "to" }, y,
            color: { field: "name", type: "nominal", legend: null, scale: { domain: names, range: colours } },
          },
        },
        ...(labelled && narrow ? [{
          data: { name: "labels" },
          mark: { type: "text", align: "left", baseline: "middle", dy: -7, fontSize: 12, color: quiet, limit: width },
          encoding: { x: { value: 0 }, y, text: { field: "label" } },
        }] : []),
      ],
    },
    data: { lines, labels: jobs.map(({ label }, row) => ({ row, label, key: `${row}\u2063${label}` })) },
    tip: ({ row, name, from, to, attempt }) => {
      if (attempt === undefined) return null;
      const { label, attempts } = jobs[row];
      const { queue, type, used, cause } = attempts[attempt];
      return [label, [
        [name, seconds((to - from) / 1000)],
        ["from", `${clock(from)} to ${clock(to)}`],
        ["queue", queue], ["machine", type],
        ["attempt", attempts.length > 1 ? `${attempt + 1} of ${attempts.length}` : ""],
        ["used", used], ["cause", cause],
      ].filter((pair) => pair[1])];
    },
  };
}

// Distributions by rule: dots, the middle half, the median.
function spreads(rules, field, colour, width, unit) {
  const known = rules.filter((rule) => rule[field]);
  const boxes = [], dots = [];
  for (const { name, [field]: { lower, median, upper, points } } of known) {
    boxes.push({ rule: name, lower, median, upper });
    for (const value of points) dots.push({ rule: name, value });
  }
  const log = unit === "time";
  const words = log ? seconds : (value) => `${Math.round(value)} %`;
  const low = Math.max(0.1, Math.min(...dots.map((dot) => dot.value)));
  const high = Math.max(low, ...dots.map((dot) => dot.value));
  const domain = log ? [low / 1.4, Math.max(high * 1.4, low * 14)] : [0, Math.max(108, Math.min(high * 1.05, 400))];
  const marks = log ? [0.1, 1, 10, 60, 600, HOUR, 10 * HOUR, 100 * HOUR] : high > 108 ? [0, 100, 200, 300, 400] : [0, 25, 50, 75, 100];
  const x = {
    type: "quantitative", title: null, scale: { type: log ? "log" : "linear", domain, nice: false, clamp: true },
    axis: {
      values: marks.filter((mark) => mark >= domain[0] && mark <= domain[1]),
      labelExpr: log ? "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : datum.value / 3600 + ' h'" : "datum.value + ' %'",
      labelOverlap: false,
    },
  };
  const y = { field: "rule", type: "ordinal", sort: null, title: null, axis: { labelLimit: 120, ticks: false, domain: false, labelPadding: 6 } };
  const strong = colour("--running");
  const limit = { data: { values: [{ at: 100 }] }, mark: { type: "rule", color: colour("--bad"), strokeDash: [4, 3] }, encoding: { x: { ...x, field: "at" } } };
  return {
    spec: {
      width, height: known.length * 28 + 28, autosize: { type: "fit", contains: "padding" },
      layer: [
        ...(log ? [] : [limit]),
        { data: { name: "boxes" }, mark: { type: "bar", height: 12, cornerRadius: 3, color: strong, opacity: 0.28 }, encoding: { x: { ...x, field: "lower" }, x2: { field: "upper" }, y } },
        { data: { name: "dots" }, mark: { type: "circle", size: 16, color: strong, opacity: 0.45 }, encoding: { x: { ...x, field: "value" }, y } },
        { data: { name: "boxes" }, mark: { type: "tick", thickness: 2.5, height: 16, color: colour("--ink") }, encoding: { x: { ...x, field: "median" }, y } },
        // What the pointer meets: the whole line.
        { data: { name: "boxes" }, mark: { type: "bar", opacity: 0 }, encoding: { x: { value: 0 }, x2: { value: "width" }, y } },
      ],
    },
    data: { boxes, dots },
    tip: ({ rule }) => {
      const found = known.find(({ name }) => name === rule);
      if (!found) return null;
      const { low, lower, median, upper, high } = found[field];
      return [rule, [["median", words(median)], ["half of them", `${words(lower)} to ${words(upper)}`], ["all", `${words(low)} to ${words(high)}`]]];
    },
  };
}
