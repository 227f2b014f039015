// The overview: how points and items are spread, by whom; what disagrees; what is older than the marks.

import { base, get, part } from "./api.js";
import { counted, fill, find, h, points, say } from "./dom.js";
import { listen } from "./keys.js";
import { follow } from "./live.js";
import { decisionView } from "./question.js";

const SOON = 500;

export function showOverview(first) {
  let timer;
  draw(first);
  listen({});
  follow({
    changed: () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        try {
          draw(await get("/api/overview"));
        } catch (error) {
          say(error.message);
        }
      }, SOON);
    },
  });
}

function draw(payload) {
  // What was unfolded stays so.
  const open = new Set([...document.querySelectorAll("details[open][id]")].map((one) => one.id));
  fill(find("#main"),
    h("header.d-head", {}, h("h1.d-title", {}, "Overview")),
    payload.stale?.length > 0 && h("div.d-note", {}, h("p", {}, "Older than the marks:"), h("ul", {}, payload.stale.map((line) => h("li", {}, line)))),
    payload.questions.map((question) => card(question)));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
}

const bar = (share) => h("span.track", { "aria-hidden": "true" }, (() => {
  const filled = h("i.got");
  filled.style.width = `${Math.round(100 * share)}%`;
  return filled;
})());

function table(heads, rows) {
  return h("table.progress", {}, h("thead", {}, h("tr", {}, heads.map((head) => (head ? h("th", { scope: "col" }, head) : h("td"))))), h("tbody", {}, rows));
}

function agreement({ twice, equal, kappa, weighted_kappa: weighted }) {
  const said = [["Cohen’s kappa", kappa], ["weighted by the distance", weighted]].filter(([, value]) => value !== null).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  return `; ${twice} marked twice, ${equal} with the same points${said.length ? ` (${said.join(", ")})` : ""}`;
}

/** "0: 2, 1: 14": how often somebody gave which points. */
const spread = (counts) => counts.map(([value, count]) => `${points(value)}: ${count}`).join(", ");

function card(question) {
  const most = Math.max(1, ...question.points.map(([, count]) => count));
  const used = Math.max(1, ...question.items.map(([, , count]) => count));
  return h("section.panel.d-card", { "aria-labelledby": `o-${question.id}` },
    h("h2", { id: `o-${question.id}` }, h("a", { href: `${base}/q/${part(question.id)}` }, h("span.id", {}, question.id), " ", question.title), " ", h("span.of", {}, counted(question.max_points, "point"))),
    h("p.d-hint", {}, `${counted(question.known, "answer")} with points, ${question.left ? `${question.left} left` : "none left"}`, question.twice > 0 && agreement(question)),
    h("div.d-columns", {},
      question.points.length > 0 && h("div", {}, h("h3", {}, "Points"), table(["Points", "Answers", ""], question.points.map(([value, count]) => h("tr", {}, h("th", { scope: "row" }, points(value)), h("td.figure", {}, count), h("td.plot", {}, bar(count / most)))))),
      question.items.length > 0 && h("div", {}, h("h3", {}, "Items"), table(["Item", "Answers", ""], question.items.map(([, text, count]) => h("tr", {}, h("th", { scope: "row" }, text), h("td.figure", {}, count), h("td.plot", {}, bar(count / used)))))),
      question.markers.length > 0 && h("div", {}, h("h3", {}, "By marker"), table(["Who", "Answers", "Mean", "Points: answers"], question.by_marker.map((one) => h("tr", {}, h("th", { scope: "row", dir: "auto" }, one.who), h("td.figure", {}, one.count), h("td.figure", {}, points(one.mean)), h("td.figure", {}, spread(one.points))))))),
    question.disagreeing.length > 0 && h("details", { id: `d-${question.id}` }, h("summary", {}, `${counted(question.disagreeing.length, "group")} of equal answers with unequal points`),
      h("ul.d-disagreeing", {}, question.disagreeing.map((one) => h("li", {}, h("a", { href: `${base}/q/${part(question.id)}?group=${part(one.group)}` }, "Look at them"), h("div.d-both", {}, one.decisions.map((decision) => decisionView(decision, counted(decision.count ?? 1, "answer")))))))));
}
