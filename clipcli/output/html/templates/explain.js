// Pages of `explain`: a slider chooses whose heat lies over the picture.
for (const figure of document.querySelectorAll(".explained")) {
  const heats = figure.querySelectorAll(".heat");
  const reasons = figure.querySelectorAll(".reason");
  const slider = figure.querySelector("input");
  const show = () => {
    const chosen = Number(slider.value);
    heats.forEach((heat, i) => heat.classList.toggle("off", i !== chosen));
    reasons.forEach((reason, i) => reason.classList.toggle("off", i !== chosen));
  };
  slider.addEventListener("input", show);
  show();
}
