// The queue: what is left, whose it is, and one button.

import { base, get, newOp, part, post, who } from "./api.js";
import { counted, dialog, fill, find, h, say } from "./dom.js";
import { kbd, listen } from "./keys.js";
import { follow, showPeople } from "./live.js";

const SOON = 200;
const COLUMNS = [
  ["left", "Left", "Answers that wait"],
  ["mine", "Mine", "Answers that I have marked"],
  ["others", "Others’", "Answers that others have marked"],
  ["review", "In review", "Left: checks could not decide"],
  ["lapsed", "Lapsed", "Marks for an answer that is not the last one"],
  ["late", "Late", "Left: handed in late"],
  ["offered", "Offered", "Left: an equal answer has a mark"],
  ["disagreeing", "Disagreeing", "Groups of equal answers with unequal points"],
  ["second", "Second", "For me to mark a second time, unseen"],
  ["flagged", "Flagged", "Flagged for somebody"],
];

export function showQueue(first) {
  let timer;
  let payload = first;
  const show = (fresh) => {
    payload = fresh;
    // Whoever goes by keys stays where they were.
    const focused = document.activeElement?.id;
    draw(payload, reload);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };
  const reload = async (fresh = null) => {
    try {
      show(fresh ?? (await get("/api/queue")));
    } catch (error) {
      say(error.message);
    }
  };
  show(first);
  find("#continue")?.focus();
  listen({ save: () => find("#continue")?.click() });
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => reload(), SOON);
  };
  follow({ changed: soon, people: soon, lease: soon });
}

function draw(payload, reload) {
  const done = payload.answers - payload.left;
  const used = COLUMNS.filter(([key], place) => place < 3 || payload.questions.some((row) => row[key]));
  const start = payload.questions.find((row) => row.id === payload.start);
  const settled = (row) => row.kind === "code" && !COLUMNS.some(([key]) => row[key]) && !row.at.some((name) => name !== who);
  const [rows, quiet] = [payload.questions.filter((row) => !settled(row)), payload.questions.filter(settled)];
  const open = find("#quiet")?.open;
  showPeople(payload.people);
  fill(find("#place"), h("span.d-left", {}, `${counted(payload.left, "answer")} left of ${payload.answers}`));
  fill(find("#main"),
    h("header.d-head", {}, h("h1.d-title", {}, payload.title)),
    h("div.d-start", {},
      start
        ? h("a.d-main-button.d-continue", { id: "continue", href: `${base}/q/${part(payload.start)}` }, "Continue ", kbd("save"), h("span.d-continue-what", {}, `${start.id} ${start.title}`))
        : h("p.d-done", {}, payload.answers ? "Nothing is left: everything is marked." : "There is nothing to mark here."),
      h("div.d-progress", {},
        h("progress", { max: payload.answers || 1, value: done, "aria-label": "Answers that are marked" }),
        h("span", {}, `${done} of ${counted(payload.answers, "answer")} marked`))),
    payload.faults?.length > 0 && h("div.d-note", {}, h("p", {}, "These cannot be marked here:"), h("ul", {}, payload.faults.map((line) => h("li", {}, line)))),
    rows.length > 0 && tableOf("Questions", rows, used),
    quiet.length > 0 && h("details.d-quiet-ones", { id: "quiet", open }, h("summary", {}, `${counted(quiet.length, "question")} that the checks have decided`), tableOf("Questions that the checks have decided", quiet, used)),
    h("div.d-choices", {},
      h("button", { type: "button", onclick: () => share(payload, reload) }, "Deal out shares"),
      h("button", { type: "button", onclick: () => second(payload, reload) }, "Have a part marked twice"),
      h("a.d-button", { href: `${base}/overview` }, "Overview")),
  );
}

function tableOf(name, rows, used) {
  return h("div.scroll.d-queue", { role: "region", "aria-label": name, tabindex: 0 },
    h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Question"), used.map(([, name, meaning]) => h("th.figure", { scope: "col", title: meaning }, name)), h("th", { scope: "col" }, "Who is at it"))),
      h("tbody", {}, rows.map((row) => rowOf(row, used)))));
}

function rowOf(row, used) {
  const number = (key) => {
    if (key === "left") {
      const share = row.share ? h("span.d-hint", {}, ` ${row.share} mine`) : null;
      return h("td.figure", { "data-name": "Left" }, row.left ? [h("b", {}, row.left), share] : "done");
    }
    const [, name] = COLUMNS.find(([one]) => one === key);
    return h("td.figure", { "data-name": name, class: row[key] ? "figure" : "figure d-zero" }, row[key] || "0");
  };
  const at = row.at.filter((name) => name !== who);
  return h(`tr${row.left ? "" : ".d-finished"}`, {},
    h("th", { scope: "row" }, h("a", { id: `q-${row.id}`, href: `${base}/q/${part(row.id)}` }, h("span.id", {}, row.id), " ", row.title),
      h("progress", { max: row.answers || 1, value: row.answers - row.left, "aria-hidden": "true" })),
    used.map(([key]) => number(key)),
    h("td", { "data-name": "At it", class: at.length ? "" : "d-zero" }, at.join(", ")));
}

function share(payload, reload) {
  const people = [...new Set([payload.who, ...payload.people])];
  const boxes = people.map((name) => h("input", { type: "checkbox", value: name, checked: true }));
  const more = h("input", { autocomplete: "off", placeholder: "Other names, with commas" });
  const fault = h("p.d-fault", { role: "alert" });
  const give = async (by) => {
    const chosen = [...boxes.filter((box) => box.checked).map((box) => box.value), ...more.value.split(",").map((name) => name.trim()).filter(Boolean)];
    try {
      const fresh = await post("/api/shares", { op: newOp(), by, people: chosen });
      made.close();
      say(by === "nobody" ? "Everything is anybody’s again." : "Dealt out.");
      reload(fresh.questions ? fresh : null);
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  const made = dialog("Deal out shares",
    h("fieldset", {}, h("legend", {}, "Among whom?"), h("div.d-boxes", {}, people.map((name, place) => h("label.d-check", {}, boxes[place], ` ${name}`)))),
    h("label.d-field", {}, h("span", {}, "Other people"), more),
    h("p.d-hint", {}, "A share says what “next” gives to whom. Everybody may still mark everything."),
    fault,
    h("div.d-choices", {}, h("button", { type: "button", onclick: () => give("question") }, "By question"), h("button", { type: "button", onclick: () => give("random") }, "At random"), h("button", { type: "button", onclick: () => give("nobody") }, "No shares")));
}

function second(payload, reload) {
  const question = h("select", {}, payload.questions.map((row) => h("option", { value: row.id }, `${row.id} ${row.title}`)));
  const part_ = h("input", { type: "number", min: 1, max: 100, value: "20" });
  const fault = h("p.d-fault", { role: "alert" });
  const made = dialog("Have a part marked twice", h("form.d-fields", {
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        const fresh = await post("/api/second", { op: newOp(), question: question.value, share: Number(part_.value) / 100 });
        made.close();
        say("They are in the queue of whoever has not marked them.");
        reload(fresh.questions ? fresh : null);
      } catch (error) {
        fault.textContent = error.message;
      }
    },
  },
  h("label.d-field", {}, h("span", {}, "Question"), question),
  h("label.d-field", {}, h("span", {}, "Percent of its answers"), part_),
  h("p.d-hint", {}, "The second marker does not see the first mark, and theirs does not count. The overview tells how far the two agree (Cohen’s kappa)."),
  fault, h("button.d-main-button", {}, "Begin")));
}
