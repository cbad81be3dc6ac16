// A picture in full, from its place beside the page: zoom, neighbours, and a copy beside it.
const full = byId("full");
const SHOWN_BY_BROWSERS = /\.(jpe?g|jpe|jfif|png|webp|gif|avif|bmp)$/i;
const MOST_ZOOM = 32;
const view = { shown: [], index: 0, onMove: () => {}, other: null, zoom: 1, x: 0, y: 0, mode: "one", isOther: false };

const inMegabytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(n / 1e3))} kB`);

const factsOf = (picture, image) => {
  const facts = image.dataset.whole ? [`${image.naturalWidth} × ${image.naturalHeight} pixels`] : [];
  if (picture.bytes !== undefined) facts.push(inMegabytes(picture.bytes));
  if (picture.taken) facts.push(`taken ${picture.taken}`);
  return facts.join(" · ");
};

const tellMissing = (picture) => {
  const isKnown = SHOWN_BY_BROWSERS.test(picture.name);
  byId("full-missing").textContent = isKnown
    ? `${picture.name} is not where this page looks for it: the page or the pictures were moved. Thumbnails remain.`
    : "This browser does not show files of this kind; the thumbnail remains.";
  byId("full-missing").hidden = false;
  if (isKnown) byId("moved").hidden = false;
};

// Puts the thumbnail there at once, and the whole picture when it has come.
const load = (image, picture, caption) => {
  delete image.dataset.whole;
  image.alt = picture.name;
  if (picture.thumbnail) image.src = picture.thumbnail;
  else image.removeAttribute("src");
  const tell = () => { caption.textContent = `${picture.name.split(/[\\/]/).pop()} ${factsOf(picture, image)}`; };
  tell();
  image.dataset.href = picture.href;
  const whole = new Image();
  whole.onload = () => {
    if (image.dataset.href !== picture.href) return; // another one by now
    image.dataset.whole = "yes";
    image.onload = tell;
    image.src = picture.href;
  };
  whole.onerror = () => image.dataset.href === picture.href && tellMissing(picture);
  whole.src = picture.href;
};

const fullPicture = () => view.shown[view.index];

const copyOf = (picture) => {
  if (!picture.group) return null;
  const others = pictures.filter((other) => other.group === picture.group && other !== picture);
  return others.find((other) => other.tone === "good") ?? others[0] ?? null;
};

const openFull = (shown, index, onMove) => {
  if (!shown[index]) return;
  Object.assign(view, { shown, index, onMove });
  onMove(index);
  const picture = fullPicture();
  view.other = copyOf(picture);
  view.isOther = false;
  if (!full.open) view.mode = view.other ? "beside" : "one";
  else if (!view.other) view.mode = "one";
  byId("full-missing").hidden = true;
  byId("full-title").textContent = picture.title;
  byId("full-place").textContent = `${(index + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
  byId("full-previous").disabled = index === 0;
  byId("full-next").disabled = index === shown.length - 1;
  for (const id of ["beside", "flicker"]) byId(id).hidden = !view.other;
  load(byId("full-image"), picture, byId("full-facts"));
  if (view.other) load(byId("full-other"), view.other, byId("other-facts"));
  zoomTo(1);
  showMode();
  if (!full.open) full.showModal();
  review?.placeBar();
};

const showMode = () => {
  byId("stages").dataset.mode = view.mode;
  byId("stage-other").hidden = view.mode === "one" || (view.mode === "flicker" && !view.isOther);
  byId("stage-this").hidden = view.mode === "flicker" && view.isOther;
  byId("beside").setAttribute("aria-pressed", String(view.mode === "beside"));
  byId("flicker").setAttribute("aria-pressed", String(view.mode === "flicker"));
};

const zoomTo = (zoom) => {
  view.zoom = Math.min(MOST_ZOOM, Math.max(1, zoom));
  if (view.zoom === 1) view.x = view.y = 0;
  byId("zoom").textContent = view.zoom === 1 ? "fits" : `${view.zoom.toFixed(1)} ×`;
  for (const id of ["full-image", "full-other"]) {
    byId(id).style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  }
};

const pan = (x, y) => {
  view.x += x;
  view.y += y;
  zoomTo(view.zoom);
};

const fullActs = {
  ArrowLeft: () => byId("full-previous").click(),
  ArrowRight: () => byId("full-next").click(),
  "+": () => zoomTo(view.zoom * 1.5),
  "=": () => zoomTo(view.zoom * 1.5),
  "-": () => zoomTo(view.zoom / 1.5),
  z: () => zoomTo(view.zoom > 1 ? 1 : 4),
  c: () => {
    if (!view.other) return;
    view.mode = view.mode === "beside" ? "one" : "beside";
    showMode();
  },
  f: () => {
    if (!view.other) return;
    view.isOther = view.mode === "flicker" && !view.isOther;
    if (view.mode !== "flicker") view.isOther = true;
    view.mode = "flicker";
    showMode();
  },
};
const PAN_PX = 80;
const PANS = { ArrowLeft: [PAN_PX, 0], ArrowRight: [-PAN_PX, 0], ArrowUp: [0, PAN_PX], ArrowDown: [0, -PAN_PX] };

if (full) {
  byId("full-close").onclick = () => full.close();
  byId("full-previous").onclick = () => openFull(view.shown, view.index - 1, view.onMove);
  byId("full-next").onclick = () => openFull(view.shown, view.index + 1, view.onMove);
  byId("zoom-in").onclick = fullActs["+"];
  byId("zoom-out").onclick = fullActs["-"];
  byId("beside").onclick = fullActs.c;
  byId("flicker").onclick = fullActs.f;
  full.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
    if (event.shiftKey && PANS[event.key]) pan(...PANS[event.key]);
    else if (fullActs[event.key]) fullActs[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const stages = byId("stages");
  stages.addEventListener("wheel", (event) => {
    zoomTo(view.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
    event.preventDefault();
  }, { passive: false });
  stages.addEventListener("dblclick", fullActs.z);
  stages.addEventListener("pointerdown", (event) => stages.setPointerCapture(event.pointerId));
  stages.addEventListener("pointermove", (event) => event.buttons && view.zoom > 1 && pan(event.movementX, event.movementY));
}
