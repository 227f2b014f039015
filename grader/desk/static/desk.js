// Begins the view that the page is for.

import { base, newOp, part } from "./api.js";
import { counted, dialog, find, h } from "./dom.js";
import { Outbox } from "./outbox.js";
import { decisionView, showQuestion } from "./question.js";
import { showQueue } from "./queue.js";
import { showStudent } from "./student.js";
import { showOverview } from "./overview.js";

const views = { queue: showQueue, question: showQuestion, student: showStudent, overview: showOverview };

const outbox = new Outbox(showSaved);

/** Whether everything is saved is told plainly, all the time. */
function showSaved() {
  const [waiting, refused] = [outbox.waiting.length, outbox.refused.length];
  const place = find("#saved");
  place.className = `d-saved ${waiting ? (outbox.reachable && !outbox.lost ? "busy" : "waiting") : "done"}`;
  place.textContent = waiting ? (outbox.reachable && !outbox.lost ? "Saving…" : `${waiting} not saved yet`) : "All saved";
  const trouble = find("#trouble");
  const lines = [];
  if (waiting && outbox.lost) lines.push(h("p", {}, `${counted(waiting, "decision")} not saved: ${outbox.lost} They wait in this browser.`));
  else if (waiting && !outbox.reachable) {
    lines.push(h("p", {}, `${counted(waiting, "decision")} not saved yet: the server cannot be reached. ${waiting === 1 ? "It waits" : "They wait"} in this browser and ${waiting === 1 ? "is" : "are"} sent as soon as it answers. You may go on.`));
  }
  if (refused) {
    lines.push(h("p", {}, `${counted(refused, "decision")} not saved. `, h("button", { type: "button", onclick: showRefused }, "Look at what is not saved")));
  }
  // Only what is new is read out.
  const said = lines.map((line) => line.textContent).join();
  if (trouble.dataset.said !== said) {
    trouble.dataset.said = said;
    trouble.replaceChildren(...lines);
  }
}

function showRefused() {
  const made = dialog("Not saved", h("ul.d-refused", {}, outbox.refused.map((entry) => {
    const { conflict } = entry;
    const drop = () => {
      outbox.dismiss(entry.op);
      made.close();
    };
    const mine = () => {
      outbox.dismiss(entry.op);
      outbox.add({ ...entry, op: newOp(), body: { ...entry.body, seen: conflict.seen } }).catch((error) => outbox.keepRefused(entry, error));
      made.close();
    };
    return h("li", {},
      h("h3", {}, h("a", { href: `${base}/q/${part(entry.body.question)}?group=${part(entry.body.group)}` }, entry.about)),
      conflict?.theirs
        ? h("div.d-both", {}, decisionView(conflict.theirs, "In the results"), decisionView(conflict.yours, "Yours"))
        : h("p", {}, entry.error, entry.body.comment && h("span.d-quote", {}, entry.body.comment)),
      h("div.d-choices", {}, conflict?.theirs && h("button", { type: "button", onclick: mine }, "Use mine"), h("button", { type: "button", onclick: drop }, conflict?.theirs ? "Keep theirs" : "Drop it")),
    );
  })));
}

addEventListener("pageshow", (event) => event.persisted && location.reload());
showSaved();
outbox.send();
const first = JSON.parse(find("#first").textContent);
views[document.body.dataset.view](first, outbox);
