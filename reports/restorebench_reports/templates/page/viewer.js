// Two pictures of one image with a border that can be moved, all pictures at the same zoom, and
// maps of the error. The pictures are those of the list below, which is all there is without scripts.
if (document.getElementById("viewer")) {
  const viewer = document.getElementById("viewer");
  const part = id => document.getElementById(id);
  const cases = [...document.querySelectorAll(".case")];
  const chooser = part("case");
  const MOST = 16;
  let zoom = 1, x = 0, y = 0;  // what is left and above of the view, in widths of the picture

  // One name for an image that fits into an address: its task and its own.
  const nameOf = one => `${one.dataset.task}/${one.dataset.image}`;
  const current = () => cases.find(one => nameOf(one) === state.get("case")) ?? cases[0];
  const shots = () => [...current().querySelectorAll("li")].map(item => ({
    role: item.dataset.role,
    title: item.querySelector(".name").textContent,
    scores: item.querySelector(".tag")?.textContent ?? "",
    image: item.querySelector("img"),
  }));

  cases.forEach(one => {
    const title = one.querySelector("h3");
    chooser.append(new Option(title.textContent, nameOf(one)));
    asButton(title, () => {
      state.set("case", nameOf(one));
      viewer.scrollIntoView();
    });
  });

  function show() {
    const one = current(), found = shots();
    // The reader's choice; without one the methods that did best and worst here.
    const [a, b] = ["a", "b"].map(name =>
      found.find(shot => shot.title === state.get(name)) ??
      found.find(shot => shot.title === one.dataset[name]) ?? found[0]);
    chooser.value = nameOf(one);
    part("why").textContent = one.querySelector(".why").textContent;
    for (const [id, shot] of [["a", a], ["b", b]]) {
      part(id).replaceChildren(...found.map(s => new Option(s.title, s.title, false, s === shot)));
      part(`name-${id}`).textContent = shot.title;
      const label = [shot.title, shot.scores].filter(Boolean).join(" · ");
      viewer.querySelector(`[data-name=${id}]`).textContent = label;
    }
    // A lies on the left of the border, so it is on top and cut there.
    part("under").src = b.image.src;
    part("over").src = a.image.src;
    const panes = { a, b };
    for (const pane of viewer.querySelectorAll("[data-pane]")) {
      const shot = panes[pane.dataset.pane] ?? found.find(s => s.role === pane.dataset.pane);
      pane.closest("figure").hidden = !shot;
      if (shot) Object.assign(pane, { src: shot.image.src, alt: shot.title });
    }
    errors(a, b, found.find(shot => shot.role === "target"));
  }

  /** Return the mean absolute difference of two pictures over RGB, pixel by pixel, in levels. */
  function difference(one, other) {
    const pixels = [one, other].map(({ image }) => {
      const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      return context.getImageData(0, 0, canvas.width, canvas.height).data;
    });
    const [p, q] = pixels;
    return Float32Array.from({ length: p.length / 4 }, (_, i) => (
      Math.abs(p[4 * i] - q[4 * i]) + Math.abs(p[4 * i + 1] - q[4 * i + 1]) +
      Math.abs(p[4 * i + 2] - q[4 * i + 2])) / 3);
  }

  /** Return black, purple, orange and pale yellow for 0 to 1; its lightness only ever grows. */
  function colour(share) {
    const stops = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
    const at = Math.min(share, 1) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
    return stops[low].map((value, i) => value + (at - low) * (stops[low + 1][i] - value));
  }

  async function errors(a, b, target) {
    const canvases = [...viewer.querySelectorAll("[data-error]")];
    canvases.forEach(canvas => { canvas.closest("figure").hidden = !target; });
    if (!target) return;
    await Promise.all([a, b, target].map(shot => shot.image.decode()));
    const maps = [difference(a, target), difference(b, target)];
    // One scale for both, so that they compare; the brightest hundredth may exceed it.
    const sorted = maps.map(map => Float32Array.from(map).sort());
    const most = Math.max(1, ...sorted.map(map => map[Math.floor(0.99 * (map.length - 1))]));
    canvases.forEach((canvas, index) => {
      const { naturalWidth: width, naturalHeight: height } = target.image;
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d"), drawn = context.createImageData(width, height);
      maps[index].forEach((value, i) => drawn.data.set([...colour(value / most), 255], 4 * i));
      context.putImageData(drawn, 0, 0);
      const name = canvas.dataset.error, shot = [a, b][index];
      viewer.querySelector(`[data-error-name=${name}]`).textContent =
        `Error of ${shot.title}, 0 to ${most.toFixed(0)} levels`;
    });
  }

  function view() {
    const room = 1 - 1 / zoom;
    x = Math.min(Math.max(x, 0), room);
    y = Math.min(Math.max(y, 0), room);
    viewer.style.setProperty("--zoom", zoom);
    viewer.style.setProperty("--x", x);
    viewer.style.setProperty("--y", y);
    part("zoom").textContent = `${+zoom.toFixed(1)}×`;
  }

  /** Zoom by a factor; the point (px, py) of the view, each in 0..1, stays where it is. */
  function zoomBy(factor, px = 0.5, py = 0.5) {
    const before = zoom;
    zoom = Math.min(Math.max(zoom * factor, 1), MOST);
    x += px * (1 / before - 1 / zoom);
    y += py * (1 / before - 1 / zoom);
    view();
  }

  const at = (event, pane) => {
    const box = pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  function split(share) {
    part("split").value = 100 * share;
    viewer.style.setProperty("--split", `${Math.min(Math.max(100 * share, 0), 100)}%`);
  }

  for (const pane of viewer.querySelectorAll(".pane")) {
    pane.addEventListener("pointerdown", event => {
      event.preventDefault();
      pane.focus({ preventScroll: true });
      pane.setPointerCapture(event.pointerId);
      if (pane.id === "stage") split(at(event, pane)[0]);
    });
    pane.addEventListener("pointermove", event => {
      if (!pane.hasPointerCapture(event.pointerId)) return;
      if (pane.id === "stage") {
        split(at(event, pane)[0]);
      } else {
        x -= event.movementX / pane.clientWidth / zoom;
        y -= event.movementY / pane.clientHeight / zoom;
        view();
      }
    });
    pane.addEventListener("dblclick", event => zoomBy(2, ...at(event, pane)));
    pane.addEventListener("wheel", event => {
      if (!event.ctrlKey) return;  // the page scrolls; a pinch comes with the key
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? 1.25 : 0.8, ...at(event, pane));
    }, { passive: false });
    pane.addEventListener("keydown", event => {
      const step = 0.1 / zoom;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (event.key === "+" || event.key === "=") zoomBy(1.5);
      else if (event.key === "-") zoomBy(1 / 1.5);
      else if (event.key === "0") zoomBy(1 / zoom);
      else if (moves[event.key]) {
        x += moves[event.key][0];
        y += moves[event.key][1];
        view();
      } else return;
      event.preventDefault();
    });
  }

  const step = by => {
    const next = (cases.indexOf(current()) + by + cases.length) % cases.length;
    state.set("case", nameOf(cases[next]));
  };
  part("earlier").addEventListener("click", () => step(-1));
  part("later").addEventListener("click", () => step(1));
  chooser.addEventListener("change", () => state.set("case", chooser.value));
  part("a").addEventListener("change", () => state.set("a", part("a").value));
  part("b").addEventListener("change", () => state.set("b", part("b").value));
  part("split").addEventListener("input", () => split(part("split").value / 100));
  part("in").addEventListener("click", () => zoomBy(1.5));
  part("out").addEventListener("click", () => zoomBy(1 / 1.5));

  viewer.hidden = false;
  part("shelf").open = false;
  split(0.5);
  view();
  let shown = "";
  state.follow(() => {
    const asked = [nameOf(current()), state.get("a"), state.get("b")].join("\n");
    if (asked !== shown) show();
    shown = asked;
  });
}
