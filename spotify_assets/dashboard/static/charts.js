"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const look = () => ({
  background: "transparent",
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: {
    labelColor: colour("text"), titleColor: colour("quiet"), gridColor: colour("line"),
    domainColor: colour("line"), tickColor: colour("line"), titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12,
  },
  legend: { labelColor: colour("text"), titleColor: colour("quiet"), orient: "top", labelFontSize: 12, labelLimit: 320 },
  header: { labelColor: colour("text"), titleColor: colour("quiet") },
  mark: { color: colour("accent") },
  range: { category: [colour("accent"), colour("quiet"), colour("second"), colour("third"), colour("good"), colour("bad")], heatmap: [colour("surface"), colour("accent")] },
  text: { color: colour("text") },
  style: {
    context: { color: colour("quiet"), opacity: 0.45 }, band: { color: colour("quiet"), opacity: 0.3 },
    median: { color: colour("text"), opacity: 0.7 }, span: { color: colour("accent") }, before: { color: colour("quiet") },
    cell: { stroke: colour("page"), strokeWidth: 2 }, label: { color: colour("quiet") }, quiet: { color: colour("quiet"), strokeWidth: 1 },
  },
});
// What is brushed over becomes the filters' ranges: the form then asks for the table and the files of it.
const fill = (ranges) => {
  for (const axis of ["x", "y"]) {
    const [least, most] = ranges[axis] ?? [null, null];
    for (const [end, value] of [["from", least && Math.floor(least * 1e4) / 1e4], ["to", most && Math.ceil(most * 1e4) / 1e4]]) {
      document.querySelector(`.filters [name=${axis}_${end}]`).value = value ?? "";
    }
  }
};
const draw = async (place) => {
  const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
  const { view } = await vegaEmbed(place, spec, {
    ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true }, config: look(),
  });
  if ("brush" in view.getState().signals) view.addSignalListener("brush", (_, ranges) => fill(ranges));
  // The wrapper says what is seen; the roles that Vega sets within would be read out mark by mark.
  for (const svg of place.querySelectorAll("svg")) {
    svg.setAttribute("aria-hidden", "true");
    for (const each of svg.querySelectorAll("[role], [aria-roledescription], [aria-label]")) {
      for (const name of ["role", "aria-roledescription", "aria-label"]) each.removeAttribute(name);
    }
  }
};
const places = document.querySelectorAll(".chart");
for (const place of places) place.style.minHeight = `${place.dataset.height}px`;
const drawAll = () => Promise.all([...places].map(draw)).then(() => document.body.dataset.drawn = "yes");
document.addEventListener("theme", drawAll);
drawAll();
