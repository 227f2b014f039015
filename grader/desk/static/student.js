// The student desk: all answers of one person, for late work and objections.

import { base, get, newOp, part, post, Refused } from "./api.js";
import { counted, dialog, fill, find, h, points, reachable, say, signed, when } from "./dom.js";
import { Form } from "./form.js";
import { listen } from "./keys.js";
import { follow } from "./live.js";
import { evidence, groupTitle } from "./question.js";

export function showStudent(first, outbox) {
  new StudentDesk(first, outbox).begin();
}

class StudentDesk {
  constructor(payload, outbox) {
    this.payload = payload;
    this.outbox = outbox;
    this.place = 0;
  }

  begin() {
    this.show();
    listen({
      save: () => this.save(this.place, { move: true }),
      none: () => this.form?.none(),
      full: () => this.form?.full(),
      comment: () => this.form?.focusComment(),
      next: () => this.go(this.place + 1),
      previous: () => this.go(this.place - 1),
      undo: () => this.undo(),
      outputs: () => document.body.classList.toggle("d-no-outputs"),
    }, (digit) => Boolean(this.form?.digit(digit)));
    follow({ changed: () => this.renew() });
  }

  get form() {
    return this.forms[this.place];
  }

  show() {
    const { payload } = this;
    this.forms = payload.answers.map((answer, place) => new Form(answer.question, answer.group, { save: () => this.save(place) }));
    this.articles = payload.answers.map((answer, place) => this.article(answer, place));
    document.title = `${payload.name || payload.alias} – marking`;
    const turn = (alias, text, rel) => alias && h("a", { href: `${base}/s/${part(alias)}`, rel }, text);
    fill(find("#place"), turn(payload.before, "←", "prev"), h("span.d-question", {}, payload.name || payload.alias), turn(payload.after, "→", "next"), h("span.d-left", {}, `${points(payload.points)} of ${counted(payload.max_points, "point")}`));
    fill(find("#main"),
      h("header.d-head", {}, h("h1.d-title", { id: "title", tabindex: -1, dir: "auto" }, payload.name || payload.alias), payload.late && h("span.badge.failed", {}, "late"),
        !payload.name && h("button", { type: "button", onclick: () => this.showName() }, "Show the name"), !payload.name && h("span.d-hint", {}, "That is logged.")),
      this.adjustments(),
      h("nav.d-jump", { "aria-label": "Questions" }, payload.answers.map((answer, place) => h("a", { href: `#a-${answer.question.id}`, class: answer.group.decision ? "d-has" : "", onclick: () => this.go(place) }, answer.question.id))),
      this.articles);
    reachable(find("#main"));
    this.mark();
  }

  /** What is added to the whole, or taken off: lateness, which a person can lift, and any other reason. */
  adjustments() {
    const { payload } = this;
    const one = (each) => h("li", {},
      h("b", {}, counted(signed(each.points), "point")), each.words && [": ", h("span", { dir: "auto" }, each.words)],
      each.who && h("span.d-hint", {}, ` decided by ${each.who}, ${when(each.when)}${each.automatic === null ? "" : `, instead of ${signed(each.automatic)}`}`), " ",
      h("button", { type: "button", onclick: () => this.adjust(each.kind, each) }, each.kind === "late" && !each.who ? "Lift it" : "Change it"),
      each.who && h("button", { type: "button", onclick: () => this.setAdjustment({ kind: each.kind, points: null, reason: "", seen: each.seen }) }, each.kind === "late" ? "Back to the rule" : "Take it back"));
    return h("div.d-adjustments", {},
      payload.adjustments.length > 0 && h("ul", {}, payload.adjustments.map(one)),
      !payload.adjustments.some((each) => each.kind === "adjustment") && h("button", { type: "button", onclick: () => this.adjust("adjustment", { points: null, words: "", seen: 0 }) }, "Points for another reason"));
  }

  adjust(kind, known) {
    const worth = h("input", { type: "number", step: "any", required: true, value: known.who ? points(known.points) : kind === "late" ? "0" : "" });
    const reason = h("textarea", { rows: 3, required: true, value: known.who ? known.words : "" });
    const fault = h("p.d-fault", { role: "alert" });
    const made = dialog(kind === "late" ? "What lateness takes off" : "Points for another reason", h("form.d-fields", {
      onsubmit: async (event) => {
        event.preventDefault();
        fault.textContent = await this.setAdjustment({ kind, points: Number(worth.value), reason: reason.value, seen: known.seen });
        if (!fault.textContent) made.close();
      },
    },
    h("label.d-field", {}, h("span", {}, "Points, added to the whole; negative: taken off"), worth),
    h("label.d-field", {}, h("span", {}, "Why: everybody who sees the points is told"), reason),
    fault, h("button.d-main-button", {}, "Save")));
    worth.select();
  }

  /** Returns what is wrong; empty where nothing is. */
  async setAdjustment(said) {
    try {
      await post("/api/adjust", { op: newOp(), alias: this.payload.alias, ...said });
      this.payload = await get(`/api/student/${part(this.payload.alias)}`);
      this.show();
      say("Saved.");
      return "";
    } catch (error) {
      say(`Not saved: ${error.message}`);
      return error.message;
    }
  }

  article(answer, place) {
    const { question, group } = answer;
    const id = `a-${question.id}`;
    const title = h("h2.d-answer-title", { id: `t-${question.id}`, tabindex: -1 }, h("span.id", {}, question.id), " ", question.title);
    const head = groupTitle(group);
    head[0] = title;
    return h("article.d-one", { id, "aria-labelledby": `t-${question.id}`, onfocusin: () => this.mark(place), onpointerdown: () => this.mark(place) },
      h("div.d-work", {}, h("header.d-head", {}, head, h("a", { href: `${base}/q/${part(question.id)}?group=${part(group.id)}` }, "With all answers")), evidence(question, group, { keyed: false, keep: (decision) => this.forms[place].take(decision) })),
      h("aside.d-side", { "aria-label": `Marking of ${question.id}` }, this.forms[place].element,
        question.criteria_html && h("details.d-criteria", {}, h("summary", {}, "Criteria"), h("div.text", { html: question.criteria_html }))));
  }

  mark(place = this.place) {
    this.place = place;
    this.articles.forEach((article, one) => article.classList.toggle("d-current", one === place));
  }

  go(place) {
    if (place < 0 || place >= this.articles.length) return;
    this.mark(place);
    this.articles[place].scrollIntoView({ block: "start" });
    find(".d-answer-title", this.articles[place]).focus({ preventScroll: true });
  }

  async save(place, { move = false } = {}) {
    const form = this.forms[place];
    const { question, group } = this.payload.answers[place];
    if (form.missing) {
      say(form.missing);
      if (form.decides) form.reasonField.focus();
      return;
    }
    form.forget();
    const entry = { op: newOp(), path: "/api/decide", points: form.points, about: `${question.id}: ${counted(points(form.points), "point")}`, body: { question: question.id, group: group.id, members: [this.payload.alias], seen: group.seen, ...form.said, next: false } };
    this.last = { entry };
    const stored = this.outbox.add(entry);
    if (move) this.go(place + 1);
    try {
      const reply = await stored;
      say(reply ? `Saved: ${question.id}, ${counted(points(reply.saved.decision?.points ?? form.points), "point")}.` : "Saved.");
      await this.renew();
    } catch (error) {
      this.outbox.keepRefused(entry, error);
      say(error instanceof Refused && error.body.theirs ? `Not saved: ${error.body.theirs.who} has marked this meanwhile.` : `Not saved: ${error.message}`);
    }
  }

  async undo() {
    try {
      if (this.last && this.outbox.withdraw(this.last.entry.op)) say("Taken back before it was sent.");
      else say((await post("/api/undo", { op: newOp() })).said);
      await this.renew();
    } catch (error) {
      say(error.message);
    }
  }

  /** As it stands now. What somebody is writing stays. */
  async renew() {
    let fresh;
    try {
      fresh = await get(`/api/student/${part(this.payload.alias)}`);
    } catch {
      return;
    }
    const writing = this.articles.some((article) => article.contains(document.activeElement) && document.activeElement.matches("textarea, input"));
    const same = fresh.answers.every((answer, place) => answer.group.seen === this.payload.answers[place]?.group.seen);
    if (writing || (same && String(fresh.points) === String(this.payload.points))) return;
    fresh.name ||= this.payload.name;
    const [top, focused] = [scrollY, this.articles[this.place]?.contains(document.activeElement)];
    this.payload = fresh;
    this.show();
    scrollTo(0, top);
    if (focused) find(".d-answer-title", this.articles[this.place]).focus({ preventScroll: true });
  }

  async showName() {
    try {
      const { name } = await post("/api/show-name", { op: newOp(), alias: this.payload.alias });
      this.payload.name = name;
      this.show();
      say("The name is shown; that is logged.");
    } catch (error) {
      say(error.message);
    }
  }
}
