// All jobs at once, each a line of a pixel or less, and where among them the lines in view are. A press
// scrolls there. For the eye only: the list beside it says the same.

const MAP_HEIGHT = 96;
const FEW = 25;

function overview(list) {
  const canvas = make("canvas", ""), frame = make("i", "g-frame"), inside = make("div", "", canvas, frame);
  const map = make("div", "g-map", make("span", "g-name"), inside);
  map.setAttribute("aria-hidden", "true");
  list.before(map);
  function go(event) {
    if (!event.buttons && event.type !== "click") return;
    const box = inside.getBoundingClientRect();
    list.scrollTop = ((event.clientY - box.top) / box.height) * list.scrollHeight - list.clientHeight / 2;
  }
  for (const name of ["click", "pointermove"]) inside.addEventListener(name, go);
  return {
    // `share`: of the width, for a time.
    draw(jobs, data, share) {
      map.hidden = jobs.length <= FEW;
      if (map.hidden) return;
      map.firstChild.textContent = `all ${many(jobs.length)}`;
      const ratio = devicePixelRatio || 1, width = inside.clientWidth;
      [canvas.width, canvas.height] = [width * ratio, MAP_HEIGHT * ratio];
      const paint = canvas.getContext("2d");
      const shades = Object.fromEntries(["--waiting", "--starting", "--lost", "--failed", ...Array.from({ length: 10 }, (_, i) => `--r${i}`)].map((name) => [name, colour(name)]));
      const step = canvas.height / jobs.length;
      // What is lost or failed lies on top, where lines are thinner than a pixel.
      const kinds = [[0, 1], [2, 3, 4], [5, 6]];
      for (const layer of kinds) {
        jobs.forEach((job, row) => {
          for (const [phase, start, stop] of job.phases || []) {
            if (!layer.includes(phase)) continue;
            const [a, b] = [share(data.began + start), share(data.began + stop)];
            paint.fillStyle = shades[["--waiting", "--starting", "", "", "", "--lost", "--failed"][phase]] || shades[`--r${job.rule % 10}`];
            paint.fillRect(a * canvas.width, row * step, Math.max(ratio, (b - a) * canvas.width), Math.max(phase > 4 ? 2 * ratio : 1, step));
          }
        });
      }
    },
    mark(top, height) {
      frame.style.top = `${100 * top}%`;
      frame.style.height = `${100 * Math.min(1, height)}%`;
    },
  };
}

