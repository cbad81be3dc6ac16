// The pictures of this page, and which of them are shown. Text is only ever set as text.
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const percent = (share) => {
  if (share >= 0.9995 && share < 0.999999) return ">99.9 %";
  if (share < 0.0005 && share >= 0.000001) return "<0.1 %";
  return `${(share * 100).toFixed(1)} %`;
};

const bar = (share) => {
  const track = make("div", "bar");
  const fill = make("i");
  fill.style.width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  track.append(fill);
  return track;
};

const thumbnail = (picture) => {
  if (!picture.thumbnail) return make("span", "none", "no preview");
  const image = make("img");
  image.decoding = "async";
  image.alt = "";
  image.src = shownOf(picture);
  return image;
};

const pictures = [];
for (const block of document.querySelectorAll("script.cards")) {
  for (const card of JSON.parse(block.textContent)) {
    card.order = pictures.length;
    card.facets ??= {};
    card.numbers ??= {};
    pictures.push(card);
  }
  block.remove(); // its text would be in memory twice
}

const wordsOf = (picture) => {
  picture.words ??= [picture.name, picture.title, picture.note ?? "", ...Object.values(picture.facets).flat()]
    .join("\n")
    .toLowerCase();
  return picture.words;
};

const naturally = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const inOrder = (found, order) => {
  if (order.key === "order") return found;
  if (order.key === "name") return found.sort((a, b) => naturally.compare(a.name, b.name));
  const sign = order.descending ? -1 : 1;
  const value = (picture) => picture.numbers[order.key];
  return found.sort((a, b) => {
    if ((value(a) === undefined) !== (value(b) === undefined)) return value(a) === undefined ? 1 : -1;
    return sign * (value(a) - value(b)) || a.order - b.order; // without a number: last
  });
};

const select = (search, chosen, order) => {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = Object.entries(chosen).filter(([, value]) => value !== "");
  const fits = (picture) =>
    wanted.every(([key, value]) => (picture.facets[key] ?? []).includes(value)) &&
    words.every((word) => wordsOf(picture).includes(word));
  return inOrder(pictures.filter(fits), order);
};
