// Theme: as the system has it, then the other one, then back.
const dark = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", event => {
  const root = document.documentElement, other = dark.matches ? "light" : "dark";
  if (root.dataset.theme) delete root.dataset.theme;
  else root.dataset.theme = other;
  const says = root.dataset.theme ? `Colours: ${other}` : "Colours: as the system has them";
  event.currentTarget.setAttribute("aria-label", says);
  event.currentTarget.title = says;
});
