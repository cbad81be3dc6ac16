// Heat maps of a contact sheet: pictures with a label's heat, in the place of thumbnails.
const hasHeats = pictures.some((picture) => picture.heats);
let isHeated = hasHeats;

const shownOf = (picture) => (isHeated && picture.heats ? picture.heats[0][1] : picture.thumbnail);

const addHeatSwitch = (redraw) => {
  if (!hasHeats) return;
  const button = make("button", "chip", "Heat maps");
  button.id = "heat";
  button.type = "button";
  button.title = "Show where the best label is seen, or the pictures alone";
  button.setAttribute("aria-pressed", "true");
  button.onclick = () => {
    isHeated = !isHeated;
    button.setAttribute("aria-pressed", String(isHeated));
    redraw();
  };
  byId("copy").before(button);
};

// A chip a label, and one for the picture alone, above the bars of the closer look.
const heatChips = (picture, image) => {
  byId("detail-heats")?.remove();
  if (!picture.heats) return;
  const row = make("div", "chips");
  row.id = "detail-heats";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "Heat maps");
  const views = [["picture alone", picture.thumbnail], ...picture.heats];
  for (const [caption, source] of views) {
    const chip = make("button", "chip", caption);
    chip.type = "button";
    chip.setAttribute("aria-pressed", String(source === shownOf(picture)));
    chip.onclick = () => {
      image.src = source;
      for (const other of row.children) other.setAttribute("aria-pressed", String(other === chip));
    };
    row.append(chip);
  }
  byId("detail-bars").before(row);
};
