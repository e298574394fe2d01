"use strict";

const said = document.getElementById("said");
const say = (text) => {
  said.textContent = text;
  setTimeout(() => { said.textContent = ""; }, 2500);
};

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const turn = () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  document.dispatchEvent(new Event("theme"));
};
const copy = async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    say("The link is copied.");
  } catch {
    say("The browser does not allow copying: take the link from the address bar.");
  }
};
const follow = (rel) => document.querySelector(`.tools a[rel=${rel}]`)?.click();
const help = () => document.getElementById("help").showModal();

const keys = {
  "/": () => document.getElementById("search")?.focus(),
  "[": () => follow("prev"),
  "]": () => follow("next"),
  c: copy,
  d: turn,
  "?": help,
};
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, select, textarea, dialog");
  if (writes || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

for (const [id, act] of [["theme", turn], ["copy", copy]]) {
  const button = document.getElementById(id);
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", act);
}

// An address without what was left empty can be read.
document.querySelector("form.filters")?.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});
