// A table that is sorted by its heads, shown in pages, and whose rows open. Real table elements: a screen
// reader, the Tab key and a printer understand them. On a phone each row is a card (report.css).

const collator = new Intl.Collator("en", { numeric: true });
const SIZES = [25, 100, 500];

// `columns`: name, `value` (what is sorted), `cell` (a text or elements), `kind` (classes), `about`.
// `detail`: the content below an open row. `sorted`: called with all rows in their order.
function sortedTable(where, columns, { caption, detail, sorted = () => {}, down = false, by = -1 }) {
  let rows = [], ordered = [], page = 0, size = SIZES[0];
  const opened = new Set();
  const body = make("tbody", ""), shown = make("output", "");
  const heads = columns.map((column, index) => {
    const button = make("button", "sort", column.name);
    button.type = "button";
    const head = make("th", column.kind || "", button);
    head.scope = "col";
    if (column.about) head.title = column.about;
    button.addEventListener("click", () => sort(index, by === index ? !down : Boolean(column.most)));
    return head;
  });
  const table = make("table", "stack jobs", make("caption", "unseen", caption), make("thead", "", make("tr", "", heads)), body);
  const button = (text, name, act) => {
    const made = make("button", "", text);
    made.type = "button";
    made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  };
  const previous = button("‹", "previous page", () => turn(page - 1)), next = button("›", "next page", () => turn(page + 1));
  const length = make("select", "", SIZES.map((each) => new Option(String(each), String(each))));
  length.addEventListener("change", () => { size = Number(length.value); turn(0); });
  const order = make("select", "", new Option("order of submission", "-1"), columns.map((column, i) => new Option(column.name, String(i))));
  const turnOver = button("↑", "reverse the order", () => sort(by, !down));
  order.addEventListener("change", () => sort(Number(order.value), Boolean(columns[Number(order.value)]?.most)));
  shown.setAttribute("aria-live", "polite");
  where.replaceChildren(
    make("div", "pager",
      make("label", "narrow", "Sort by ", order), make("span", "narrow", turnOver),
      make("label", "", "Rows ", length), make("span", "pages", previous, shown, next)),
    make("div", "wide", table));

  function sort(column, reverse) {
    [by, down] = [column, reverse];
    arrange();
    turn(0);
    sorted(ordered);
  }

  function arrange() {
    ordered = [...rows];
    if (by < 0) { if (down) ordered.reverse(); return; }
    const { value } = columns[by];
    const keyed = ordered.map((row) => [value(row), row]);
    const none = (key) => key === undefined || key === null || key === "";
    keyed.sort(([a], [b]) => {
      if (none(a) || none(b)) return none(a) - none(b);  // what is not known comes last either way
      const found = typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b);
      return down ? -found : found;
    });
    ordered = keyed.map(([, row]) => row);
  }

  function turn(to) {
    const pages = Math.max(1, Math.ceil(ordered.length / size));
    page = Math.max(0, Math.min(to, pages - 1));
    draw();
  }

  function line(row) {
    const cells = columns.map((column, index) => {
      const content = column.cell(row);
      const cell = make(index ? "td" : "th", column.kind || "", index ? content : head(row, content));
      if (!index) cell.scope = "row";
      cell.dataset.name = column.name;
      if (content === "" || content === undefined || content === null) cell.classList.add("none");
      return cell;
    });
    const made = make("tr", opened.has(row) ? "open" : "", cells);
    if (!opened.has(row)) return [made];
    const inside = make("td", "", detail(row));
    inside.colSpan = columns.length;
    return [made, make("tr", "detail", inside)];
  }

  function head(row, content) {
    const made = make("button", "opener", content);
    made.type = "button";
    made.setAttribute("aria-expanded", String(opened.has(row)));
    made.addEventListener("click", () => {
      if (!opened.delete(row)) opened.add(row);
      draw();
      find(row)?.querySelector(".opener").focus({ preventScroll: true });
    });
    return made;
  }

  const visible = () => ordered.slice(page * size, (page + 1) * size);

  function find(row) {
    return [...body.children].filter((each) => !each.classList.contains("detail"))[visible().indexOf(row)];
  }

  function draw() {
    body.replaceChildren(...visible().flatMap(line));
    heads.forEach((each, index) => {
      if (index === by) each.setAttribute("aria-sort", down ? "descending" : "ascending");
      else each.removeAttribute("aria-sort");
    });
    const first = page * size;
    shown.textContent = ordered.length ? `${many(first + 1)}–${many(Math.min(first + size, ordered.length))} of ${many(ordered.length)}` : "none";
    previous.disabled = page === 0;
    next.disabled = first + size >= ordered.length;
    order.value = String(by);
    turnOver.textContent = down ? "↓" : "↑";
  }

  return {
    show(picked) {
      rows = picked;
      arrange();
      turn(0);
      return ordered;
    },
    open(row) {
      const index = ordered.indexOf(row);
      if (index < 0) return;
      opened.add(row);
      turn(Math.floor(index / size));
      const line = find(row);
      line.scrollIntoView({ block: "center" });
      line.querySelector(".opener").focus({ preventScroll: true });
    },
  };
}
