// What the pages' scripts share: elements, and numbers and times as people read them.

const HOUR = 3600;
const place = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isNarrow = () => matchMedia("(max-width: 700px)").matches;
const many = (n) => n.toLocaleString("en-US");

// An element with classes and children. Texts are texts, never markup.
function make(tag, kind, ...children) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...children.flat(Infinity).filter((each) => each !== undefined && each !== null && each !== ""));
  return made;
}

function seconds(value) {
  if (value < 59.5) return value >= 0.05 && value < 9.95 ? `${Math.round(value * 10) / 10} s` : `${Math.round(value)} s`;
  const whole = Math.round(value);
  if (whole < HOUR) {
    const left = whole % 60;
    return `${Math.floor(whole / 60)} min` + (left && whole < 600 ? ` ${left} s` : "");
  }
  const minutes = Math.floor((whole % HOUR) / 60);
  return `${many(Math.floor(whole / HOUR))} h` + (minutes ? ` ${minutes} min` : "");
}

const memory = (mib) => {
  const mb = mib * 1.048576;  // in the units of mem_mb
  return mb >= 1000 ? `${(mb / 1000).toFixed(1)} GB` : `${Math.round(mb)} MB`;
};

function amount(bytes) {
  let unit = 0, size = bytes;
  while (size >= 999.5 && unit < 4) { size /= 1000; unit++; }
  const text = unit === 0 || size >= 99.5 ? size.toFixed(0) : String(Number(size.toPrecision(2)));
  return `${text} ${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

const money = (value, symbol) => symbol + value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: value && value < 0.1 ? 4 : 2 });
function cost([least, most], symbol) {
  const [low, high] = [money(least, symbol), money(most, symbol)];
  return low === high ? high : least ? `${low}–${high}` : `≤ ${high}`;
}
const round = (value) => (value < 9.95 ? Math.round(value * 10) / 10 : Math.round(value));

// Times: milliseconds since 1970, in the reader's time zone.
const time = (at) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = (at) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
const clock = (at, days) => (days ? `${day(at)} ${time(at)}` : time(at));

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR];

// Round times from `from` to `to` (seconds since 1970), so many that their labels have space on `width`
// pixels. A label is a time of day, or the date where a day begins. `zero`: labels are times since then.
function timeTicks(from, to, width, zero) {
  const most = Math.max(2, Math.floor(width / 78));
  const span = Math.max(to - from, 1);
  const step = STEPS.find((each) => span / each <= most) || Math.ceil(span / most / (168 * HOUR)) * 168 * HOUR;
  const shift = zero === undefined ? new Date(from * 1000).getTimezoneOffset() * 60 : zero;
  const found = [];
  for (let at = Math.ceil((from - shift) / step - 1e-9) * step + shift; at <= to + 1e-6; at += step) {
    let label;
    if (zero !== undefined) label = at - zero ? seconds(at - zero) : "0";
    else {
      const date = new Date(at * 1000);
      const begins = !date.getHours() && !date.getMinutes() && !date.getSeconds();
      label = begins || step >= 24 * HOUR ? day(date) : time(date).slice(0, step < 60 ? 8 : 5);
    }
    found.push({ at, label });
  }
  return found;
}

// JSON that was packed by Python: zlib's format in base64.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(place(id).textContent.trim()), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// The words beside the pointer: a title and pairs.
function say(event, words) {
  const tip = place("tip");
  tip.hidden = !words;
  if (!words) return;
  const list = make("dl", "");
  for (const [name, value] of words[1]) list.append(make("dt", "", name), make("dd", "", String(value)));
  tip.replaceChildren(make("b", "", words[0]), list);
  const { width, height } = tip.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const left = event.clientX + 14 + width > room ? event.clientX - 14 - width : event.clientX + 14;
  const above = event.clientY + 14 + height > innerHeight;
  tip.style.left = `${Math.max(4, Math.min(left, room - width - 4))}px`;
  tip.style.top = `${Math.max(4, above ? event.clientY - 14 - height : event.clientY + 14)}px`;
}

function legend(id, pairs) {
  const where = place(id);
  if (where) where.replaceChildren(...pairs.map(([name, kind]) => make("li", "", make("i", `chip ${kind}`), name)));
}

// Times of the page, in the reader's time zone.
for (const each of document.querySelectorAll("time")) {
  each.textContent = new Date(each.dateTime).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

// One drawing at a time: what is drawn is whole before it is drawn again.
let drawing = Promise.resolve();
const later = (work) => { drawing = drawing.then(work).catch((error) => console.error(error)); };
const drawn = () => { document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn || 0) + 1); };

// Calls `draw` whenever colours or the width change.
function redrawn(draw) {
  let width = innerWidth, timer = 0;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => later(draw));
  addEventListener("resize", () => {
    if (innerWidth === width) return;  // phones hide and show their address bar
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(() => later(draw), 200);
  });
}
