// Light, dark, or as the system is.
const byId = (id) => document.getElementById(id);

const THEMES = ["auto", "light", "dark"];

const setTheme = (theme) => {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
};

const storedTheme = () => {
  try {
    return localStorage.getItem("clipcli-theme");
  } catch {
    return null; // a browser that keeps nothing for files
  }
};

setTheme(THEMES.includes(storedTheme()) ? storedTheme() : "auto");
byId("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  setTheme(theme);
  try {
    localStorage.setItem("clipcli-theme", theme);
  } catch {
    // it lasts as long as the page, then
  }
});
