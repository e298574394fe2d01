// Before the first paint: a page that turns dark after it was light hurts the eyes.
const kept = localStorage.getItem("theme");
if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
