// The charts: functions of the data and the width. Each gives a Vega-Lite specification (`spec`), the
// values of its named data (`data`), and what to say of a mark under the pointer (`tip`: a title and pairs
// of words).

function config() {
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

// Left of the charts over time, so that their times stand below each other.
const MARGIN = 44;

async function draw(id, chart) {
  const where = place(id);
  if (!where) return;
  const { spec, data: values, tip } = chart(Math.floor(where.clientWidth));
  // Vega gives the element a role and this as its label.
  const description = where.getAttribute("aria-label");
  const { view } = await vegaEmbed(where, { ...spec, description, config: config() }, {
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

// Times as plain numbers: Vega-Lite's own time scales take no fixed domain where there is an x2.
function timeAxis(from, to, width, zero) {
  const until = Math.max(to, from + 1);
  const ticks = timeTicks(from, until, width - MARGIN, zero);
  const labels = Object.fromEntries(ticks.map(({ at, label }) => [String(at * 1000), label]));
  return {
    type: "quantitative", title: null, scale: { domain: [from * 1000, until * 1000], nice: false, zero: false },
    axis: {
      grid: false, values: ticks.map(({ at }) => at * 1000), labelOverlap: true, labelBound: false, labelFlush: true,
      labelExpr: `(${JSON.stringify(labels)})[toString(datum.value)]`,
    },
  };
}

// Stacked areas of the averages in equal spans of time, with all of them under the pointer. `series`:
// names, values and colours. `highest`: of the axis, if several charts share it; `zero`: where times begin.
function stack(data, series, width, height, { highest: shared = 0, until = data.ended, zero } = {}) {
  const span = ((data.ended - data.began) * 1000) / data.bins;
  const began = data.began * 1000;
  const areas = [], spans = [];
  let highest = shared;
  for (let bin = 0; bin < data.bins; bin++) {
    const at = began + bin * span;
    let sum = 0;
    series.forEach(([, values], order) => {
      const value = values[bin];
      sum += value;
      areas.push({ at, order, value });
      if (bin === data.bins - 1) areas.push({ at: at + span, order, value });
    });
    highest = Math.max(highest, sum);
    spans.push({ at, until: at + span, bin });
  }
  const few = highest < 5 ? { values: Array.from({ length: Math.ceil(highest) + 1 }, (_, i) => i), format: "d" } : { tickCount: 5 };
  const scale = highest < 5 ? { domain: [0, Math.max(1, Math.ceil(highest))] } : shared ? { domain: [0, highest] } : {};
  const days = data.ended - data.began > 20 * HOUR;
  const when = (at) => (zero === undefined ? clock(at, days) : seconds(at / 1000 - zero));
  return {
    spec: {
      width, height, autosize: { type: "fit", contains: "padding" },
      layer: [
        {
          data: { name: "areas" }, mark: { type: "area", interpolate: "step-after" },
          encoding: {
            x: { field: "at", ...timeAxis(data.began, until, width, zero) },
            y: { field: "value", type: "quantitative", stack: "zero", title: null, scale, axis: { ...few, minExtent: MARGIN, maxExtent: MARGIN } },
            order: { field: "order" },
            color: { field: "order", type: "nominal", legend: null, scale: { domain: series.map((_, i) => i), range: series.map(([, , shade]) => shade) } },
          },
        },
        { data: { name: "spans" }, mark: { type: "rect", opacity: 0 }, encoding: { x: { field: "at", type: "quantitative" }, x2: { field: "until" } } },
      ],
    },
    data: { areas, spans },
    tip: ({ at, until: end, bin }) => bin === undefined ? null : [
      `${when(at)} to ${when(end)}`,
      series.filter(([, values]) => values[bin] >= 0.05).map(([name, values]) => [name, round(values[bin])]),
    ],
  };
}

// Distributions by rule: dots, the middle half, the median; crosses for what was `killed`.
function spreads(rules, field, width, unit) {
  const ends = (rule) => (field === "memory_share" ? rule.killed : []);
  const known = rules.filter((rule) => rule[field] || ends(rule).length);
  const boxes = [], dots = [], crosses = [];
  for (const each of known) {
    const rule = each.name;
    if (each[field]) {
      const { lower, median, upper, points } = each[field];
      boxes.push({ rule, lower, median, upper });
      for (const value of points) dots.push({ rule, value });
    }
    for (const value of ends(each)) crosses.push({ rule, value });
  }
  const log = unit === "time";
  const words = log ? seconds : (value) => `${Math.round(value)} %`;
  const all = [...dots, ...crosses].map((dot) => dot.value);
  const low = Math.max(0.1, all.reduce((least, each) => Math.min(least, each), Infinity));
  const high = all.reduce((most, each) => Math.max(most, each), low);
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
  const y = {
    field: "rule", type: "ordinal", title: null, scale: { domain: known.map(({ name }) => name) },
    axis: { labelLimit: 130, ticks: false, domain: false, labelPadding: 6 },
  };
  const shade = { field: "rule", type: "nominal", legend: null, scale: { domain: rules.map(({ name }) => name), range: rules.map((_, i) => colour(`--r${i % 10}`)) } };
  const limit = { data: { values: [{ at: 100 }] }, mark: { type: "rule", color: colour("--bad"), strokeDash: [4, 3] }, encoding: { x: { ...x, field: "at" } } };
  return {
    spec: {
      width, height: known.length * 28 + 28, autosize: { type: "fit", contains: "padding" },
      layer: [
        ...(log ? [] : [limit]),
        { data: { name: "boxes" }, mark: { type: "bar", height: 12, cornerRadius: 3, opacity: 0.28 }, encoding: { x: { ...x, field: "lower" }, x2: { field: "upper" }, y, color: shade } },
        { data: { name: "dots" }, mark: { type: "circle", size: 16, opacity: 0.5 }, encoding: { x: { ...x, field: "value" }, y, color: shade } },
        { data: { name: "boxes" }, mark: { type: "tick", thickness: 2.5, height: 16, color: colour("--ink") }, encoding: { x: { ...x, field: "median" }, y } },
        { data: { name: "crosses" }, mark: { type: "point", shape: "cross", angle: 45, size: 130, filled: true, opacity: 1, color: colour("--failed"), stroke: colour("--card"), strokeWidth: 1 }, encoding: { x: { ...x, field: "value" }, y } },
        // What the pointer meets: the whole line.
        { data: { name: "lines" }, mark: { type: "bar", opacity: 0 }, encoding: { x: { value: 0 }, x2: { value: "width" }, y } },
      ],
    },
    data: { boxes, dots, crosses, lines: known.map(({ name }) => ({ rule: name })) },
    tip: ({ rule: name }) => {
      const rule = known.find((each) => each.name === name);
      if (!rule) return null;
      const found = rule[field];
      const pairs = found ? [["median", words(found.median)], ["half of them", `${words(found.lower)} to ${words(found.upper)}`], ["all", `${words(found.low)} to ${words(found.high)}`]] : [];
      if (ends(rule).length) pairs.push(["killed", many(ends(rule).length)]);
      return [rule.name, pairs];
    },
  };
}
