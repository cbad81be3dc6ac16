// One picture, looked at closely, and its neighbours.
const detail = byId("detail");
let detailPicture = null;
let openFromDetail = () => {};

const openDetail = (shown, index, onMove) => {
  const picture = shown[index];
  detailPicture = picture;
  openFromDetail = () => openFull(shown, index, (at) => {
    onMove(at);
    openDetail(shown, at, onMove);
  });
  const show = (other) => {
    const at = shown.indexOf(other);
    if (at >= 0) onMove(at);
    openDetail(at >= 0 ? shown : [other], Math.max(at, 0), at >= 0 ? onMove : () => {});
  };
  const image = byId("detail-image");
  if (picture.thumbnail) image.src = shownOf(picture);
  else image.removeAttribute("src");
  byId("detail-link").href = byId("detail-open").href = picture.href;
  byId("detail-title").textContent = picture.title;
  byId("detail-title").className = picture.tone ?? "";
  byId("detail-note").textContent = picture.note ?? "";
  byId("detail-name").textContent = picture.name;
  byId("place").textContent = `${(index + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
  byId("detail-bars").replaceChildren(
    ...(picture.bars ?? []).flatMap(([name, share]) => [make("span", "", name), bar(share), make("span", "", percent(share))]),
  );
  byId("detail-facts").replaceChildren(
    ...(picture.facts ?? []).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]),
  );
  heatChips(picture, image);
  byId("detail-group").replaceChildren(...groupButtons(picture, show));
  byId("previous").disabled = index === 0;
  byId("next").disabled = index === shown.length - 1;
  byId("previous").onclick = () => show(shown[index - 1]);
  byId("next").onclick = () => show(shown[index + 1]);
  if (!detail.open) detail.showModal();
  review?.placeBar();
};

const groupButtons = (picture, show) => {
  if (!picture.group) return [];
  return pictures
    .filter((other) => other.group === picture.group)
    .map((other) => {
      const button = make("button");
      button.type = "button";
      button.title = other.name;
      button.append(thumbnail(other), make("span", "", other.name.split(/[\\/]/).pop()));
      if (other === picture) button.setAttribute("aria-current", "true");
      button.onclick = () => show(other);
      return button;
    });
};

if (detail) {
  byId("detail-link").onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab or window, as elsewhere
    openFromDetail();
    event.preventDefault();
  };
  byId("detail-full").onclick = () => openFromDetail();
  byId("close").onclick = () => detail.close();
  detail.addEventListener("click", (event) => event.target === detail && detail.close());
  detail.addEventListener("keydown", (event) => {
    if (isTyping(event)) return;
    if (event.key === "z") openFromDetail();
    else if (event.key === "ArrowLeft") byId("previous").click();
    else if (event.key === "ArrowRight") byId("next").click();
    else return;
    event.preventDefault();
  });
}
