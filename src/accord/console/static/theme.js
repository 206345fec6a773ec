// Runs before anything is drawn, so that no page is seen in the wrong colours first.
(() => {
  const chosen = localStorage.getItem("accord.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
