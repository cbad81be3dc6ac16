// The gallery: only the cards that can be seen are in the document, however many pictures there are.
const startGallery = () => {
  const gallery = byId("gallery");
  const settings = JSON.parse(byId("settings").textContent);
  const orders = [...settings.orders, { key: "name", name: "by name" }];
  const firstOrder = String(settings.first_order ?? 0);
  const GAP = 12;
  const CARD_PX = 176; // at least so wide
  const TEXT_PX = 88;
  const state = { shown: pictures, active: 0, columns: 1, width: CARD_PX, height: CARD_PX, cards: new Map() };
  const filters = new Map();

  // The folder says something where there are several; the rest of the path stands in the tooltip.
  const partsOf = (picture) => picture.name.split(/[\\/]/);
  const isOneFolder = new Set(pictures.map((picture) => partsOf(picture).slice(0, -1).join("/"))).size < 2;
  const shortName = (picture) => partsOf(picture).slice(isOneFolder ? -1 : -2).join("/");

  // Groups that stand together are framed, two colours in turn.
  const frames = new Map();
  for (const { group } of pictures) {
    if (group && !frames.has(group)) frames.set(group, frames.size % 2 ? "odd" : "even");
  }
  const isFramed = () => {
    const key = orders[byId("order").value].key;
    return key === "group" || key === settings.framed;
  };

  const card = (index) => {
    const picture = state.shown[index];
    const element = make("div", `card ${picture.tone ?? ""}`);
    element.id = `card-${index}`;
    element.setAttribute("role", "option");
    if (isFramed()) element.dataset.frame = frames.get(picture.group) ?? "";
    element.setAttribute("aria-posinset", index + 1);
    element.setAttribute("aria-setsize", state.shown.length);
    element.title = picture.name;
    const frame = make("div", "frame");
    frame.append(thumbnail(picture));
    const line = make("div", "line");
    line.append(make("b", "", picture.title));
    const text = make("div", "text");
    text.append(line);
    if (picture.share !== undefined) {
      line.append(make("span", "value", percent(picture.share)));
      text.append(bar(picture.share));
    }
    if (picture.note) text.append(make("span", "note", picture.note));
    text.append(make("span", "name", shortName(picture)));
    element.append(frame, text);
    review?.dress(element, picture);
    const row = Math.floor(index / state.columns);
    const column = index % state.columns;
    element.style.transform = `translate(${column * (state.width + GAP)}px, ${row * (state.height + GAP)}px)`;
    element.style.width = `${state.width}px`;
    element.style.height = `${state.height}px`;
    return element;
  };

  const draw = () => {
    const above = -gallery.getBoundingClientRect().top;
    const rowPx = state.height + GAP;
    const first = Math.max(0, Math.floor((above - innerHeight / 2) / rowPx)) * state.columns;
    const last = Math.min(state.shown.length, Math.ceil((above + innerHeight * 1.5) / rowPx) * state.columns);
    for (const [index, element] of state.cards) {
      if (index < first || index >= last) {
        element.remove();
        state.cards.delete(index);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let index = first; index < last; index++) {
      if (state.cards.has(index)) continue;
      state.cards.set(index, card(index));
      fresh.append(state.cards.get(index));
    }
    gallery.append(fresh);
    mark();
  };

  const mark = () => {
    for (const [index, element] of state.cards) {
      const isChosen = review?.hasChosen() ? review.isChosen(index) : index === state.active;
      element.classList.toggle("active", index === state.active);
      element.classList.toggle("chosen", Boolean(review?.isChosen(index)));
      element.setAttribute("aria-selected", isChosen);
    }
    if (state.cards.has(state.active)) gallery.setAttribute("aria-activedescendant", `card-${state.active}`);
    else gallery.removeAttribute("aria-activedescendant");
  };

  const layOut = () => {
    const width = gallery.clientWidth;
    state.columns = Math.max(width < 500 ? 2 : 1, Math.floor((width + GAP) / (CARD_PX + GAP)));
    state.width = Math.floor((width - GAP * (state.columns - 1)) / state.columns);
    state.height = Math.round(state.width * 0.82) + TEXT_PX;
    const rows = Math.ceil(state.shown.length / state.columns);
    gallery.style.height = `${Math.max(0, rows * (state.height + GAP) - GAP)}px`;
    for (const element of state.cards.values()) element.remove();
    state.cards.clear();
    draw();
  };

  const chosen = () => Object.fromEntries([...filters].map(([key, box]) => [key, box.value]));

  const refresh = () => {
    const order = orders[byId("order").value];
    const found = select(byId("search").value, chosen(), order);
    state.shown = review ? review.narrowed(found) : found;
    state.active = 0;
    const isAll = state.shown.length === pictures.length;
    const n = (count) => count.toLocaleString("en");
    byId("shown").textContent = isAll
      ? `${n(pictures.length)} ${settings.noun}`
      : `${n(state.shown.length)} of ${n(pictures.length)} ${settings.noun}`;
    byId("nothing").hidden = state.shown.length > 0;
    byId("clear").hidden = isAll && !byId("search").value;
    for (const box of filters.values()) box.classList.toggle("set", box.value !== "");
    markChips();
    const top = byId("pictures").getBoundingClientRect().top;
    if (top < 0) scrollBy(0, top);
    remember();
    layOut();
  };

  // What is chosen stands in the address, so that it lasts over a reload and can be passed on.
  const remember = () => {
    const told = new URLSearchParams();
    if (byId("search").value) told.set("search", byId("search").value);
    for (const [key, value] of Object.entries(chosen())) if (value) told.set(key, value);
    if (byId("order").value !== firstOrder) told.set("sort", byId("order").value);
    try {
      history.replaceState(null, "", `#${told}`);
    } catch {
      // some browsers do not let files change their address
    }
  };

  const recall = () => {
    const told = new URLSearchParams(location.hash.slice(1));
    byId("search").value = told.get("search") ?? "";
    for (const [key, box] of filters) choose(box, told.get(key) ?? "");
    choose(byId("order"), told.get("sort") ?? firstOrder);
  };

  const choose = (box, value) => {
    if (!box) return; // of one value only, so there is nothing to choose
    if ([...box.options].some((option) => option.value === value)) box.value = value;
  };

  const addFilter = ({ key, name }) => {
    const counts = new Map();
    for (const picture of pictures) {
      for (const value of picture.facets[key] ?? []) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    if (counts.size < 2) return;
    const box = make("select");
    box.id = `filter-${key}`;
    box.setAttribute("aria-label", name);
    box.append(new Option(`${name}: all`, ""));
    for (const value of [...counts.keys()].sort(naturally.compare)) {
      const option = new Option(`${value} (${counts.get(value).toLocaleString("en")})`, value);
      option.dataset.count = counts.get(value);
      box.append(option);
    }
    box.onchange = refresh;
    byId("filters").append(box);
    filters.set(key, box);
  };

  // The values of the first filter that has several, as buttons with their counts.
  const CHIPS = 14;
  const chips = [];
  const markChips = () => {
    for (const { chip, box, value } of chips) chip.setAttribute("aria-pressed", String(box.value === value));
  };
  const addChips = () => {
    const [, box] = filters.entries().next().value ?? [];
    if (!box || byId("chips").dataset.off) return;
    const counted = [...box.options].slice(1).map((option) => [option.value, Number(option.dataset.count)]);
    counted.sort((a, b) => b[1] - a[1]);
    for (const [value, count] of counted.slice(0, CHIPS)) {
      const chip = make("button", "chip");
      chip.type = "button";
      chip.append(make("b", "", count.toLocaleString("en")), ` ${value}`);
      chip.onclick = () => {
        box.value = box.value === value ? "" : value;
        refresh();
      };
      byId("chips").append(chip);
      chips.push({ chip, box, value });
    }
    if (counted.length > CHIPS) {
      byId("chips").append(make("span", "", `and ${(counted.length - CHIPS).toLocaleString("en")} more in the list below`));
    }
  };

  const activate = (index) => {
    state.active = Math.min(state.shown.length - 1, Math.max(0, index));
    const rowPx = state.height + GAP;
    const top = gallery.getBoundingClientRect().top + Math.floor(state.active / state.columns) * rowPx;
    const tools = document.querySelector(".tools");
    const bars = (getComputedStyle(tools).position === "sticky" ? tools.offsetHeight : 0) + GAP;
    const bottom = innerHeight - (review?.height() ?? 0);
    if (top < bars) scrollBy(0, top - bars);
    else if (top + rowPx > bottom) scrollBy(0, top + rowPx - bottom);
    draw();
  };

  const look = (index) => {
    if (!state.shown.length) return;
    activate(index);
    openDetail(state.shown, state.active, activate);
  };

  const steps = () => {
    const page = state.columns * Math.max(1, Math.floor(innerHeight / (state.height + GAP)) - 1);
    return {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -state.columns, ArrowDown: state.columns,
      PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity,
    };
  };

  gallery.addEventListener("keydown", (event) => {
    const step = steps()[event.key];
    if (step !== undefined) {
      if (!event.shiftKey || !review?.extend(state.active + step)) {
        review?.move();
        activate(state.active + step);
      }
    } else if (event.key === "z") openFull(state.shown, state.active, activate);
    else if (event.key === "Enter" || event.key === " ") look(state.active);
    else return;
    event.preventDefault();
  });
  gallery.addEventListener("click", (event) => {
    const element = event.target.closest(".card");
    if (!element) return;
    gallery.focus({ preventScroll: true });
    const index = Number(element.id.slice("card-".length));
    if (!review?.click(event, index)) look(index);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !isTyping && !detail.open) {
      byId("search").select();
      event.preventDefault();
    } else if (event.key === "Escape" && event.target === byId("search")) {
      byId("search").value = "";
      refresh();
      gallery.focus({ preventScroll: true });
    } else if ((event.key === "Enter" || event.key === "ArrowDown") && event.target === byId("search")) {
      gallery.focus({ preventScroll: true });
      activate(0);
      event.preventDefault();
    }
  });
  byId("clear").onclick = () => {
    byId("search").value = "";
    for (const box of filters.values()) box.value = "";
    refresh();
  };
  byId("copy").onclick = async () => {
    const told = byId("copy").textContent;
    try {
      await navigator.clipboard.writeText(state.shown.map((picture) => picture.name).join("\n"));
      byId("copy").textContent = "Copied";
    } catch {
      byId("copy").textContent = "Not allowed here";
    }
    setTimeout(() => { byId("copy").textContent = told; }, 1500);
  };

  settings.filters.forEach(addFilter);
  addChips();
  addHeatSwitch(layOut);
  orders.forEach((order, index) => byId("order").append(new Option(order.name, index)));
  byId("search").oninput = refresh;
  byId("order").onchange = refresh;
  addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(layOut));
  addEventListener("hashchange", () => { recall(); refresh(); });
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.addEventListener("click", () => {
      for (const box of filters.values()) box.value = "";
      choose(filters.get(button.dataset.filter), button.dataset.value);
      if (button.dataset.filter2) choose(filters.get(button.dataset.filter2), button.dataset.value2);
      if (button.dataset.sort) choose(byId("order"), button.dataset.sort);
      refresh();
      byId("pictures").scrollIntoView();
    });
  }
  review = startReview({ gallery, state, activate, mark, refresh });
  recall();
  refresh();
  if (reviewData?.begun) review.begin();
};

if (byId("gallery")) startGallery();
