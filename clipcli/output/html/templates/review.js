// Review: keys and buttons that give pictures another label, accept or reject them.
let review = null; // while the page can be reviewed
const KEYS = 9;
const ALIKE = 0.7; // so alike is chosen at once; the range can be changed before a key
const SIGNS = { accept: "✓", relabel: "→", reject: "✗" };
const isTyping = (event) => /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);

const startReview = (sheet) => {
  if (!reviewData) return null;
  const { state } = sheet;
  const bar = byId("review-bar");
  const home = bar.parentElement;
  const { labels } = reviewData;
  let isOn = false;
  let anchor = 0;
  let selected = new Set(); // places among the pictures shown
  let like = null;

  const say = (text) => { byId("review-said").textContent = text; };
  const n = (count) => count.toLocaleString("en");
  const decidable = pictures.filter((picture) => picture.sha256 !== undefined);

  // The keys stand for the labels that there are most pictures of.
  const onKeys = () => {
    if (labels.length <= KEYS) return labels;
    const counts = new Map(labels.map((label) => [label, 0]));
    for (const { label } of pictures) if (counts.has(label)) counts.set(label, counts.get(label) + 1);
    return [...labels].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, KEYS);
  };

  const told = (decision) => {
    if (!decision) return "not decided";
    if (decision.verdict === "accept") return decision.label === null ? "accepted" : `is ${decision.label}`;
    return decision.verdict === "reject" ? "rejected" : `now ${decision.label}`;
  };

  const dress = (element, picture) => {
    const decision = decisions.of(picture);
    element.querySelector(".verdict")?.remove();
    element.dataset.verdict = decision?.verdict ?? "";
    if (!decision) return;
    const badge = make("span", "verdict", SIGNS[decision.verdict]);
    badge.append(make("span", "verdict-text", ` ${told(decision)}`));
    element.append(badge);
  };

  const onChange = (places) => {
    const changed = new Set(places);
    for (const [index, element] of state.cards) {
      if (changed.has(state.shown[index].order)) dress(element, state.shown[index]);
    }
    showCounts();
  };
  const decisions = openDecisions(onChange, say);

  const showCounts = () => {
    byId("review-count").textContent = `${n(decisions.count())} of ${n(decidable.length)} decided`;
    byId("undo").disabled = !decisions.canUndo();
    byId("redo").disabled = !decisions.canRedo();
    byId("save").disabled = decisions.count() === 0;
  };

  const opened = () => (full.open ? fullPicture() : detail.open ? detailPicture : null);
  const targets = () => {
    if (opened()) return [opened()];
    const places = selected.size ? [...selected].sort((a, b) => a - b) : [state.active];
    return places.map((place) => state.shown[place]).filter(Boolean);
  };

  const select = (places) => {
    selected = new Set(places);
    sheet.mark();
    if (selected.size) say(`${n(selected.size)} pictures chosen`);
  };

  const goOn = () => {
    if (full.open) return byId("full-next").disabled || byId("full-next").click();
    if (detail.open) return byId("next").disabled || byId("next").click();
    const last = selected.size ? Math.max(...selected) : state.active;
    selected.clear();
    anchor = Math.min(state.shown.length - 1, last + 1);
    return sheet.activate(anchor);
  };

  const decide = (made, { stay = false } = {}) => {
    const chosen = targets().filter((picture) => picture.sha256 !== undefined);
    if (!chosen.length) return say("Nothing can be decided about what is no file of its own.");
    decisions.apply(chosen, made);
    const what = chosen.length > 1 ? `${n(chosen.length)} pictures` : chosen[0].name.split(/[\\/]/).pop();
    say(`${what}: ${told(decisions.of(chosen[0]))}`);
    return stay || goOn();
  };

  const suggest = () => {
    const [first] = targets();
    if (!first?.suggested) return say("Nothing is suggested for this picture.");
    return decide((picture) => relabelled(picture.suggested || picture.label || first.suggested)(picture));
  };

  const giveKey = (number) => {
    const label = onKeys()[number - 1];
    if (label !== undefined) decide(relabelled(label));
  };

  const giveWritten = () => {
    const box = byId("other-label");
    const words = box.value.trim().toLowerCase();
    const found = words && (
      labels.find((label) => label.toLowerCase() === words) ??
      labels.find((label) => label.toLowerCase().startsWith(words)) ??
      labels.find((label) => label.toLowerCase().includes(words))
    );
    if (!found) return say(`No label fits "${box.value}".`);
    box.value = "";
    decide(relabelled(found));
    return (full.open || detail.open ? byId("other-label") : sheet.gallery).focus({ preventScroll: true });
  };

  // Pictures in the order of their likeness to one, those that are very much alike chosen.
  const alike = () => {
    if (like) return endLike();
    const [picture] = targets();
    const likeness = picture && likenessTo(picture);
    if (!likeness) return say("This page has no vector of this picture, so there is none like it.");
    if (full.open) full.close();
    if (detail.open) detail.close();
    like = { picture, likeness };
    sheet.refresh();
    const count = state.shown.filter((other) => likeness[other.order] >= ALIKE).length;
    anchor = 0;
    select(Array.from({ length: Math.max(1, count) }, (_, place) => place));
    return say(`${n(selected.size)} pictures like ${picture.name.split(/[\\/]/).pop()} are chosen; Shift with arrows changes that`);
  };
  const endLike = () => {
    like = null;
    sheet.refresh();
    say("All pictures again");
  };

  // What the gallery shows of what it found.
  const narrowed = (found) => {
    selected.clear();
    anchor = 0;
    if (!isOn) return found;
    const wanted = byId("review-shown").value;
    if (wanted) found = found.filter((picture) => (decisions.of(picture) !== undefined) === (wanted === "done"));
    if (!like) return found;
    return found.sort((a, b) => like.likeness[b.order] - like.likeness[a.order] || a.order - b.order);
  };

  const undo = () => say(decisions.undo() ? "Taken back" : "There is nothing to take back");
  const redo = () => say(decisions.redo() ? "Done again" : "There is nothing to do again");
  const save = () => {
    if (!decisions.count()) return say("Nothing is decided yet.");
    decisions.save();
    return say(`${n(decisions.count())} decisions saved as decisions.jsonl`);
  };
  const acts = {
    y: () => decide(accepted),
    n: () => decide(rejected),
    s: suggest,
    m: alike,
    l: () => byId("other-label").focus(),
    u: undo,
    U: redo,
    0: () => decide(() => null, { stay: true }),
  };

  const placeBar = () => {
    (full.open ? full : detail.open ? detail : home).append(bar);
    bar.hidden = !isOn;
    sheet.gallery.style.marginBottom = isOn ? `${bar.offsetHeight}px` : "";
  };

  // Says in one line that pictures cannot be found, if the first that there is cannot.
  const lookForPictures = () => {
    const first = pictures.find((picture) => picture.thumbnail && SHOWN_BY_BROWSERS.test(picture.name));
    if (!first) return;
    const probe = new Image();
    probe.onerror = () => { byId("moved").hidden = false; };
    probe.src = first.href;
  };

  const turn = (on) => {
    isOn = on;
    byId("review-mode").setAttribute("aria-pressed", String(on));
    sheet.gallery.setAttribute("aria-multiselectable", String(on));
    document.body.classList.toggle("reviewing", on);
    selected.clear();
    like = null;
    placeBar();
    sheet.refresh();
    if (!on) return;
    lookForPictures();
    showCounts();
    sheet.gallery.focus({ preventScroll: true });
    const count = decisions.count();
    say(count ? `${n(count)} decisions of an earlier visit are here` : "");
  };

  const onKey = (event) => {
    if (isTyping(event) || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      const act = { z: event.shiftKey ? redo : undo, Z: redo, y: redo, s: save }[event.key];
      if (!isOn || !act) return;
      act();
    } else if (!isOn) {
      if (event.key !== "r") return;
      turn(true);
    } else if (/^[1-9]$/.test(event.key) && labels.length) giveKey(Number(event.key));
    else if (event.key === "Escape" && (selected.size || like) && !opened()) like ? endLike() : select([]);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  };

  const fill = () => {
    onKeys().forEach((label, place) => {
      const button = make("button", "chip", label);
      button.type = "button";
      button.prepend(make("kbd", "", String(place + 1)));
      button.onclick = () => giveKey(place + 1);
      byId("review-keys").append(button);
    });
    byId("all-labels").append(...labels.map((label) => new Option(label)));
    byId("other-label").hidden = !labels.length;
    byId("suggest").hidden = !pictures.some((picture) => picture.suggested);
    byId("alike").hidden = !reviewData.vectors;
  };

  const onClicks = {
    accept: acts.y, reject: acts.n, suggest, alike, undo, redo, save, "review-mode": () => turn(!isOn),
  };
  fill();
  for (const [id, act] of Object.entries(onClicks)) byId(id).onclick = act;
  byId("review-shown").onchange = sheet.refresh;
  byId("other-label").addEventListener("keydown", (event) => {
    if (event.key === "Enter") giveWritten();
    else if (event.key === "Escape") sheet.gallery.focus({ preventScroll: true });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("keydown", onKey);
  for (const dialog of [full, detail]) dialog.addEventListener("close", placeBar);
  return {
    dress,
    narrowed,
    placeBar,
    isOn: () => isOn,
    begin: () => turn(true),
    height: () => (isOn ? bar.offsetHeight : 0),
    isChosen: (place) => selected.has(place),
    hasChosen: () => selected.size > 0,
    // A range from where it began to here; true: the key or click has been seen to.
    extend: (to) => {
      if (!isOn) return false;
      const end = Math.min(state.shown.length - 1, Math.max(0, to));
      if (!selected.size) anchor = state.active;
      const [low, high] = [Math.min(anchor, end), Math.max(anchor, end)];
      sheet.activate(end);
      select(Array.from({ length: high - low + 1 }, (_, i) => low + i));
      return true;
    },
    click: (event, place) => {
      if (!isOn) return false;
      if (event.shiftKey) return review.extend(place);
      if (event.ctrlKey || event.metaKey) {
        if (!selected.size) selected.add(state.active);
        if (!selected.delete(place)) selected.add(place);
        sheet.activate(place);
        select(selected);
        return true;
      }
      const isAgain = place === state.active;
      selected.clear();
      anchor = place;
      sheet.activate(place);
      return !isAgain; // the second click on a picture opens it
    },
    move: () => selected.clear(),
  };
};
