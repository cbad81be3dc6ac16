// Decisions: what was said of each picture; kept in the browser, taken back, saved as a file.
const reviewData = JSON.parse(byId("review")?.textContent ?? "null");
const KEEP_MS = 300; // progress is kept so long after a key: writing it takes longer than the key

const openDecisions = (onChange, onTrouble) => {
  const key = `clipcli-review-${reviewData.id}`;
  const decided = new Map(); // a picture's place -> { verdict, label, when }
  const done = [];
  const undone = [];
  let timer = 0;

  const keep = () => {
    timer = 0;
    try {
      if (decided.size) localStorage.setItem(key, JSON.stringify([...decided]));
      else localStorage.removeItem(key);
    } catch {
      onTrouble("This browser keeps nothing for this page: save your decisions before you leave it.");
    }
  };

  const isDecision = (entry) =>
    Array.isArray(entry) &&
    pictures[entry[0]]?.sha256 !== undefined &&
    ["accept", "relabel", "reject"].includes(entry[1]?.verdict) &&
    typeof entry[1].when === "string";

  const recall = () => {
    try {
      for (const entry of JSON.parse(localStorage.getItem(key) ?? "[]").filter(isDecision)) {
        const { verdict, label, when } = entry[1];
        decided.set(entry[0], { verdict, label: typeof label === "string" ? label : null, when });
      }
    } catch {
      // nothing was kept, or by somebody else
    }
  };

  const set = (place, decision) => {
    if (decision) decided.set(place, decision);
    else decided.delete(place);
  };

  const take = (change, which) => {
    for (const one of change) set(one.place, one[which]);
    timer ||= setTimeout(keep, KEEP_MS);
    onChange(change.map((one) => one.place));
  };

  // make: from a picture to { verdict, label }, or null to forget what was said.
  const apply = (chosen, make) => {
    const when = new Date().toISOString();
    const change = chosen.map((picture) => {
      const made = make(picture);
      return { place: picture.order, before: decided.get(picture.order), after: made && { ...made, when } };
    });
    done.push(change);
    undone.length = 0;
    take(change, "after");
  };

  const step = (from, to, which) => {
    const change = from.pop();
    if (!change) return 0;
    to.push(change);
    take(change, which);
    return change.length;
  };

  const lines = () => {
    const places = [...decided.keys()].sort((a, b) => a - b);
    const header = { clipcli: "decisions", version: reviewData.version, page: reviewData.id, count: places.length };
    const records = places.map((place) => {
      const picture = pictures[place];
      const { verdict, label, when } = decided.get(place);
      return {
        path: picture.path ?? picture.name,
        sha256: picture.sha256,
        bytes: picture.bytes,
        old: picture.label ?? null,
        new: label,
        verdict,
        when,
      };
    });
    return [header, ...records].map((record) => `${JSON.stringify(record)}\n`).join("");
  };

  const save = () => {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([lines()], { type: "application/jsonl" }));
    link.download = "decisions.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  recall();
  addEventListener("pagehide", () => timer && keep());
  return {
    apply,
    lines,
    save,
    of: (picture) => decided.get(picture.order),
    count: () => decided.size,
    undo: () => step(done, undone, "before"),
    redo: () => step(undone, done, "after"),
    canUndo: () => done.length > 0,
    canRedo: () => undone.length > 0,
  };
};

const accepted = (picture) => {
  // What had no label gets the likeliest one.
  if (picture.label === undefined && picture.suggested) return relabelled(picture.suggested)(picture);
  return { verdict: "accept", label: picture.label ?? null };
};
const rejected = () => ({ verdict: "reject", label: null });
const relabelled = (label) => (picture) => ({ verdict: label === picture.label ? "accept" : "relabel", label });

// How alike pictures are, by the small vectors in the page: -1 to 1.
let smallVectors = null;
const likenessTo = (picture) => {
  const told = reviewData?.vectors;
  if (!told) return null;
  smallVectors ??= new Int8Array(Uint8Array.from(atob(told.data), (one) => one.charCodeAt(0)).buffer);
  const mine = smallVectors.subarray(picture.order * told.size, (picture.order + 1) * told.size);
  if (mine.every((one) => one === 0)) return null;
  const alike = new Float32Array(pictures.length);
  for (let place = 0; place < pictures.length; place++) {
    let sum = 0;
    for (let i = 0; i < told.size; i++) sum += mine[i] * smallVectors[place * told.size + i];
    alike[place] = sum / 16129; // 127 times 127
  }
  return alike;
};
