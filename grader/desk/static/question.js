// The question desk: one group of equal answers at a time, its evidence, and beside it the marking.

import { base, get, newOp, part, post, Refused, who } from "./api.js";
import { counted, dialog, fill, find, h, kept, points, reachable, say, signed, when } from "./dom.js";
import { draftName, Form } from "./form.js";
import { editItem } from "./items.js";
import { kbd, keyOf, listen } from "./keys.js";
import { follow } from "./live.js";

const HIDE_OUTPUTS = "grader-mark outputs hidden";

/** What somebody has decided, in words. */
export function decisionView(decision, title, question = null) {
  if (!decision) return h("div.d-decision", {}, h("h4", {}, title), h("p", {}, "No decision."));
  const texts = (question?.items ?? []).filter((item) => decision.items?.includes(item.key)).map((item) => item.text);
  return h(
    "div.d-decision", {},
    h("h4", {}, title),
    h("p", {}, h("b", {}, counted(points(decision.points), "point")), decision.who && [" by ", h("span", { dir: "auto" }, decision.who)], decision.when && `, ${when(decision.when)}`),
    texts.length > 0 && h("ul", {}, texts.map((text) => h("li", {}, text))),
    Boolean(decision.adjustment) && h("p.d-hint", {}, `adjusted by ${signed(decision.adjustment)}`),
    decision.comment_html ? h("div.text.d-quote", { html: decision.comment_html }) : decision.comment && h("p.d-quote", { dir: "auto" }, decision.comment),
    decision.reason && h("p.d-hint", { dir: "auto" }, `Why: ${decision.reason}`),
  );
}

/** What the checks say, as on the pages of the report. */
const CHECKED = {
  passed: ["passed", "✓ passed"], partial: ["partial", "◐ partial"], failed: ["failed", "✗ failed"], review: ["review", "? in review"],
  "carried forward": ["carried", "→ carried forward"], missing: ["missing", "∅ missing"],
};

const sizeTitle = (group) => {
  if (group.empty) return `No answer: ${counted(group.size, "submission")}`;
  return group.size === 1 ? "One answer" : `${group.size} equal answers`;
};

export function groupTitle(group) {
  const badge = (key, text) => h(`span.badge.${key}`, {}, text);
  return [
    h("h1.d-title", { id: "title", tabindex: -1 }, sizeTitle(group)),
    h("span.d-badges", {},
      group.decision && badge("marked", `☑ marked: ${points(group.decision.points)}`),
      !group.decision && group.offered && badge("carried", `→ ${counted(group.open, "new hand-in")} of a marked answer`),
      !group.decision && group.checks_html && CHECKED[group.status] && badge(...CHECKED[group.status]),
      group.late > 0 && badge("failed", `${group.late === group.size ? "" : `${group.late} `}late`),
      group.lapsed && badge("partial", "an earlier mark has lapsed"),
      group.differing?.length > 1 && badge("failed", "unequal points"),
      group.split && badge("missing", "taken out of its group"),
      group.second && badge("carried", "second marking, unseen"),
      group.flags?.length > 0 && badge("review", "⚑ flagged"),
    ),
  ];
}

/** The answer and all that speaks for it or against it. acts: what buttons in it do. */
export function evidence(question, group, acts) {
  const others = group.members;
  const shown = others.slice(0, 12);
  const checks = group.checks_html && h("section.d-checks", { html: `<h2>What the checks say</h2>${group.checks_html}` });
  return [
    h("p.d-members", {}, shown.map((alias) => h("a", { href: `${base}/s/${part(alias)}` }, group.names?.[others.indexOf(alias)] || alias)), others.length > shown.length && h("span", {}, `and ${others.length - shown.length} more`)),
    group.offered && !group.decision && h("div.d-note", {}, decisionView(group.offered, "The same answer has this mark already", question), h("p", {}, acts.keyed ? ["It is filled in: ", kbd("save"), " takes it over."] : "It is filled in: save it to take it over.")),
    group.lapsed && lapsed(question, group.lapsed, acts),
    group.differing?.length > 1 && h("div.d-note", {}, h("p", {}, "Equal answers have unequal points. Saving gives all of them the same."), h("div.d-both", {}, group.differing.map((decision) => decisionView(decision, counted(decision.count, "answer"), question)))),
    (group.flags ?? []).map((flag) => h("p.d-note", {}, h("b", {}, `⚑ ${flag.who}`), flag.to && ` for ${flag.to}`, flag.note && `: ${flag.note}`, " ", acts.unflag && h("button", { type: "button", onclick: acts.unflag }, "Take the flag down"))),
    group.empty ? h("p.none", {}, "No answer was found.", acts.keyed && h("span.d-keyed", {}, " ", kbd("none"), " gives all of them no points.")) : h("div.d-answer-body", { html: group.answer_html }),
    h("div", { id: `changes-${question.id}-${group.id}`, hidden: true }),
    question.kind === "code" && checks,
    group.notes_html && h("div", { html: group.notes_html }),
    // On a phone the items come first: the run is a touch away.
    group.context_html && h("details.d-context", { open: !matchMedia("(max-width: 40rem)").matches }, h("summary", {}, "What it talks about"), h("div", { html: group.context_html })),
    // To a text, what was run says more than what the checks say of it.
    question.kind === "text" && checks,
  ];
}

function lapsed(question, old, acts) {
  return h("div.d-note", {},
    h("p", {}, "This was marked, and then another answer was handed in. The mark counts no more."),
    decisionView(old.decision, "The mark that lapsed", question),
    old.answer_html ? h("details", {}, h("summary", {}, "The answer that it was for"), h("div", { html: old.answer_html })) : h("p.d-hint", {}, "The answer that it was for is not known any more."),
    acts.keep && h("button", { type: "button", onclick: () => acts.keep(old.decision) }, "Use this mark again"),
  );
}

export function showQuestion(first, outbox) {
  new QuestionDesk(first, outbox).begin();
}

class QuestionDesk {
  constructor(first, outbox) {
    this.outbox = outbox;
    this.payload = first;
    this.ahead = null;
    this.busy = false;
    this.near = new Set();
  }

  get question() {
    return this.payload.question;
  }

  get group() {
    return this.payload.group;
  }

  begin() {
    fill(find("#main"), (this.work = h("section.d-work", { "aria-labelledby": "title" })), (this.side = h("aside.d-side", { "aria-label": "Marking" })));
    document.body.classList.toggle("d-no-outputs", kept.get(HIDE_OUTPUTS) === true);
    addEventListener("resize", () => reachable(this.work));
    listen(this.acts(), (digit) => Boolean(this.form?.digit(digit)));
    follow({
      changed: (data) => this.changed(data),
      lease: (data) => this.lease(data),
    });
    this.show(this.payload);
  }

  acts() {
    return {
      save: () => this.save(),
      none: () => this.none(),
      full: () => this.form?.full(),
      comment: () => this.form?.focusComment(),
      next: () => this.step("after"),
      previous: () => this.step("before"),
      questionBefore: () => this.leave(this.question.before),
      questionAfter: () => this.leave(this.question.after),
      split: () => this.split(),
      flag: () => this.flag(),
      undo: () => this.undo(),
      changes: () => this.showChanges(),
      outputs: () => this.outputs(),
      item: () => this.edit(null),
    };
  }

  // Showing

  show(payload, { focus = false } = {}) {
    this.payload = payload;
    this.near = new Set();
    const { question, group } = payload;
    document.title = `${question.id} ${question.title} – marking`;
    this.showPlace();
    if (!group) {
      this.form = null;
      this.showNothing();
      return;
    }
    history.replaceState(null, "", `?group=${part(group.id)}`);
    this.leases = h("p.d-note", { hidden: true, role: "status" });
    fill(this.work, h("header.d-head", {}, groupTitle(group)), this.leases, evidence(question, group, {
      keyed: true,
      keep: (decision) => this.form.take(decision),
      unflag: () => this.setFlag(false),
    }), this.nearView());
    reachable(this.work);
    this.makeForm();
    this.lease(payload);
    scrollTo(0, 0);
    if (focus) find("#title").focus({ preventScroll: true });
    this.lookAhead();
  }

  makeForm() {
    const { question, group } = this;
    this.form = new Form(question, group, { save: () => this.save(), edit: (item) => this.edit(item), changed: () => undefined });
    fill(this.side,
      this.form.isDraft && h("p.d-hint", {}, "As you left it: not saved yet."),
      this.form.element,
      h("div.d-acts", {},
        group.size > 1 && this.act("split", "Take out"), group.split && h("button", { type: "button", onclick: () => this.join() }, "Put back"),
        this.act("flag", "Flag"), this.act("undo", "Undo"), this.act("changes", "Changes"), this.act("outputs", "Outputs"), this.act("previous", "Back"), this.act("next", "Skip"),
        h("button", { type: "button", onclick: () => this.showNames() }, group.names?.length ? "Names are shown" : "Show names")),
      h("section.d-criteria", { "aria-label": "Marking criteria" }, h("h2", {}, question.kind === "code" ? "How this is marked" : "Criteria"), question.criteria_html ? h("div.text", { html: question.criteria_html }) : h("p.d-hint", {}, "The rubric gives none.")),
    );
  }

  act(name, text) {
    const acts = this.acts();
    return h("button", { type: "button", onclick: acts[name] }, `${text} `, kbd(name));
  }

  showPlace() {
    const { question, place } = this.payload;
    const turn = (id, name, text) => id && h("a", { href: `${base}/q/${part(id)}`, rel: name, title: `${text}: ${id}` }, h("span.hidden", {}, `${text}: ${id}`), h("span.d-arrow", { "aria-hidden": "true" }, name === "prev" ? "←" : "→"), h("kbd", { "aria-hidden": "true", "data-key-of": name === "prev" ? "questionBefore" : "questionAfter" }, keyOf(name === "prev" ? "questionBefore" : "questionAfter")));
    fill(find("#place"),
      turn(question.before, "prev", "Question before"),
      h("span.d-question", {}, h("span.id", {}, question.id), " ", h("span.d-question-title", {}, question.title)),
      turn(question.after, "next", "Next question"),
      h("span.d-left", {}, place.of > 0 && place.index > 0 ? `${place.index} of ${place.of} · ` : "", place.answers_left ? `${counted(place.answers_left, "answer")} left` : "nothing left"),
    );
  }

  async showNothing() {
    const { held } = this.payload;
    this.onward = null;
    const button = h("a.d-main-button", { href: `${base}/` }, "To the queue ", kbd("save"));
    fill(this.work,
      h("header.d-head", {}, h("h1.d-title", { id: "title", tabindex: -1 }, held ? "Others are at what is left here" : "Nothing is left here")),
      h("p", {}, held ? `${counted(held, "group")} that wait ${held === 1 ? "is" : "are"} open at other desks.` : this.question.kind === "code" ? "The checks, or a person, have decided every answer to this question." : "Every answer to this question is marked."),
      h("div.d-choices", {}, button, h("button", { type: "button", onclick: () => this.step("after") }, "Look at them again ", kbd("next"))));
    fill(this.side);
    find("#title").focus();
    this.onward = button;
    await this.ask(() => get("/api/queue"), ({ questions }) => {
      const place = questions.findIndex((row) => row.id === this.question.id);
      const later = [...questions.slice(place + 1), ...questions.slice(0, place)].find((row) => row.left);
      if (!later || this.onward !== button) return;
      button.href = `${base}/q/${part(later.id)}`;
      fill(button, "Continue ", kbd("save"), h("span.d-continue-what", {}, `${later.id} ${later.title}`));
    });
  }

  nearView() {
    const { near } = this.group;
    if (!near?.length) return null;
    const one = (other) => h("li", {},
      h("label.d-check", {}, h("input", { type: "checkbox", onchange: (event) => (event.target.checked ? this.near.add(other) : this.near.delete(other)) }), ` ${counted(other.size, "answer")}`, other.decided && `, marked ${points(other.decided.points)}`),
      h("p.d-excerpt", { dir: "auto" }, other.excerpt),
      h("a", { href: `?group=${part(other.id)}` }, "Look at it"));
    return h("details.d-near", { open: !matchMedia("(max-width: 40rem)").matches }, h("summary", {}, `Nearly the same: ${counted(near.length, "group")}`), h("p.d-hint", {}, "Those that you tick get the same mark with this one."), h("ul", {}, near.map(one)));
  }

  // Moving

  /** Have the next one at hand before it is asked for, so that a key is felt at once. */
  async lookAhead() {
    const { id } = this.group;
    this.ahead = null;
    await this.settled;
    if (this.group?.id !== id) return;
    try {
      const payload = await get(`/api/next?question=${part(this.question.id)}&after=${part(id)}&ahead=1`);
      if (this.group?.id === id) this.ahead = { after: id, payload };
    } catch {
      // It comes with the reply then.
    }
  }

  takeAhead() {
    const ahead = this.ahead;
    this.ahead = null;
    const id = ahead?.payload.group?.id;
    // One that gets the same mark now is no next one.
    const taken = id === this.group.id || [...this.near].some((other) => other.id === id);
    return ahead && ahead.after === this.group.id && !taken ? ahead.payload : null;
  }

  /** side: "after" or "before". */
  async step(side) {
    await this.ask(() => get(`/api/next?question=${part(this.question.id)}&${side}=${part(this.group?.id ?? "")}&marked=1`), (payload) => {
      if (payload.group) this.show(payload, { focus: true });
      else say(side === "before" ? "This is the first." : "This is the last.");
    });
  }

  leave(question) {
    if (question) location.assign(`${base}/q/${part(question)}`);
    else say("There is no other question there.");
  }

  async ask(asking, then) {
    try {
      await then(await asking());
    } catch (error) {
      say(error.message);
    }
  }

  // Deciding

  none() {
    if (!this.form) return;
    this.form.none();
    // Of an answer that is not there nothing is to be read: one key.
    if (this.group.empty) this.save();
  }

  async save() {
    const { form, group, question } = this;
    if (!group) this.onward?.click();
    if (!form || this.busy) return;
    if (form.missing) {
      say(form.missing);
      if (form.decides) form.reasonField.focus();
      return;
    }
    const next = this.takeAhead();
    const entry = {
      op: newOp(),
      path: "/api/decide",
      points: form.points,
      about: `${question.id}, ${counted(group.size, "answer")}: ${counted(points(form.points), "point")}`,
      body: {
        question: question.id, group: group.id, members: group.members, seen: group.seen, ...form.said,
        // An offer that is taken as it is leaves those alone who have the mark.
        open_only: Boolean(group.offered && !form.touched), second: Boolean(group.second), also: [...this.near].map((other) => other.id), next: !next,
      },
    };
    form.forget();
    const stored = this.outbox.add(entry);
    this.last = { entry, payload: this.payload };
    const place = { ...this.payload.place };
    if (next) {
      this.settled = stored.catch(() => undefined);
      this.show({ ...next, place: { ...next.place, answers_left: Math.max(0, Math.min(next.place.answers_left, place.answers_left - (group.open ?? group.size))) } }, { focus: true });
      this.wait(stored, entry);
      return;
    }
    this.busy = true;
    this.side.classList.add("d-busy");
    const reply = await this.wait(stored, entry);
    this.busy = false;
    this.side.classList.remove("d-busy");
    if (reply?.next && this.group === group) this.show(reply.next, { focus: true });
  }

  /** Say what was stored, or what was not. */
  async wait(stored, entry) {
    try {
      const reply = await stored;
      if (!reply) {
        say("Saved.");
        return { next: await get(`/api/next?question=${part(this.question.id)}`) };
      }
      const { saved } = reply;
      const left = saved.left_alone?.length ? ` ${counted(saved.left_alone.length, "submission")} left out: another answer was handed in.` : "";
      say(`Saved: ${counted(points(saved.decision?.points ?? entry.points), "point")} for ${counted(saved.count, "answer")}.${left}`);
      return reply;
    } catch (error) {
      this.refused(entry, error);
      return null;
    }
  }

  refused(entry, error) {
    this.outbox.keepRefused(entry, error);
    if (error instanceof Refused && error.body.theirs) this.conflict(entry, error.body);
    else {
      // What was entered is there when somebody comes back to it.
      const { items, adjustment, comment, reason } = entry.body;
      kept.set(draftName(entry.body.question, entry.body.group), { items, adjustment, comment, reason, points: entry.points });
      say(`Not saved: ${error.message}`);
    }
  }

  conflict(entry, { theirs, yours, seen }) {
    const settle = (mine) => {
      this.outbox.dismiss(entry.op);
      made.close();
      if (!mine) {
        if (this.group?.id === entry.body.group) this.renew(entry.body.group);
        return;
      }
      const again = { ...entry, op: newOp(), body: { ...entry.body, seen, next: false } };
      this.wait(this.outbox.add(again), again).then(() => this.group?.id === entry.body.group && this.renew(entry.body.group));
    };
    const made = dialog(
      `${theirs.who} has marked this meanwhile`,
      h("p", {}, `Nothing was overwritten: ${entry.about} is not saved.`),
      h("div.d-both", {}, decisionView(theirs, "In the results", this.question), decisionView(yours, "Yours", this.question)),
      h("div.d-choices", {}, h("button", { type: "button", onclick: () => settle(false) }, "Keep theirs"), h("button.d-main-button", { type: "button", onclick: () => settle(true) }, "Use mine")),
    );
  }

  /** The same group, as it stands now. */
  async renew(id) {
    await this.ask(() => get(`/api/group/${part(this.question.id)}/${part(id)}`), (payload) => this.show(payload, { focus: true }));
  }

  async undo() {
    const { last } = this;
    if (last && this.outbox.withdraw(last.entry.op)) {
      this.last = this.settled = null;
      this.busy = false;
      this.side.classList.remove("d-busy");
      say("Taken back before it was sent.");
      this.show(last.payload, { focus: true });
      return;
    }
    await this.ask(() => post("/api/undo", { op: newOp() }), (reply) => {
      say(reply.said);
      if (!reply.next?.group && this.group) this.renew(this.group.id);
      if (reply.next?.group) {
        if (reply.question === this.question.id) this.show(reply.next, { focus: true });
        else location.assign(`${base}/q/${part(reply.question)}?group=${part(reply.group)}`);
      }
    });
  }

  edit(item) {
    const { question } = this;
    const known = item && { ...item, words: item.words ?? "" };
    editItem(question, known, (reply) => {
      this.payload = { ...this.payload, question: { ...question, items: reply.items } };
      this.ahead = null;
      this.renew(this.group.id);
    });
  }

  split() {
    const { group, question } = this;
    if (!group) return;
    if (group.size < 2) {
      say("It is alone in its group.");
      return;
    }
    const boxes = group.members.map((alias, place) => h("input", { type: "checkbox", value: alias, checked: place === 0 }));
    const fault = h("p.d-fault", { role: "alert" });
    const form = h("form.d-fields", {
      onsubmit: async (event) => {
        event.preventDefault();
        const members = boxes.filter((box) => box.checked).map((box) => box.value);
        if (!members.length || members.length === boxes.length) {
          fault.textContent = "Some are to stay, and some to go.";
          return;
        }
        try {
          const payload = await post("/api/split", { op: newOp(), question: question.id, group: group.id, members, joined: false });
          made.close();
          say(`Taken out: ${counted(members.length, "answer")}.`);
          this.show(payload, { focus: true });
        } catch (error) {
          fault.textContent = error.message;
        }
      },
    },
    h("fieldset", {}, h("legend", {}, "Which are to be marked apart?"), h("div.d-boxes", {}, group.members.map((alias, place) => h("label.d-check", {}, boxes[place], ` ${group.names?.[place] || alias}`)))),
    fault, h("button.d-main-button", {}, "Take out"));
    const made = dialog("Take answers out of their group", form);
    find(".d-main-button", made).focus();
  }

  async join() {
    const { group, question } = this;
    await this.ask(() => post("/api/split", { op: newOp(), question: question.id, group: group.id, members: group.members, joined: true }), (payload) => {
      say("Put back.");
      this.show(payload, { focus: true });
    });
  }

  flag() {
    if (!this.group) return;
    const to = h("input", { maxlength: 80, autocomplete: "off" });
    const note = h("textarea", { rows: 2, maxlength: 500 });
    const made = dialog("Flag this for somebody else", h("form.d-fields", {
      onsubmit: (event) => {
        event.preventDefault();
        made.close();
        this.setFlag(true, to.value.trim(), note.value.trim());
      },
    }, h("label.d-field", {}, h("span", {}, "For whom (empty: for anybody)"), to), h("label.d-field", {}, h("span", {}, "What about"), note), h("button.d-main-button", {}, "Flag it")));
    note.focus();
  }

  async setFlag(on, to = "", note = "") {
    const { group, question } = this;
    await this.ask(() => post("/api/flag", { op: newOp(), question: question.id, group: group.id, members: group.members, to, note, on }), (payload) => {
      say(on ? "Flagged." : "The flag is down.");
      if (this.group === group) this.show(payload);
    });
  }

  async showChanges() {
    const { group, question } = this;
    if (!group) return;
    const place = find(`[id="changes-${question.id}-${group.id}"]`);
    if (!place.hidden) {
      place.hidden = true;
      return;
    }
    await this.ask(() => get(`/api/answer/${part(question.id)}/${part(group.members[0])}/earlier`), (earlier) => {
      fill(place,
        h("h2", {}, earlier.answer_html ? "Changed since the last hand-in" : "No other answer is known"),
        earlier.changes_html && h("div.d-earlier", { html: earlier.changes_html }),
        earlier.answer_html && h("details", { open: !earlier.changes_html }, h("summary", {}, `The answer before this one${earlier.when ? `, until ${when(earlier.when)}` : ""}`), h("div.d-earlier", { html: earlier.answer_html })));
      place.hidden = false;
      reachable(place);
      place.scrollIntoView({ block: "nearest" });
      say(earlier.answer_html ? "What changed is shown." : "No other answer is known.");
    });
  }

  outputs() {
    const hidden = document.body.classList.toggle("d-no-outputs");
    kept.set(HIDE_OUTPUTS, hidden ? true : null);
    say(hidden ? "Outputs are hidden." : "Outputs are shown.");
  }

  async showNames() {
    const { group } = this;
    if (group.names?.length) return;
    await this.ask(() => Promise.all(group.members.map((alias) => post("/api/show-name", { op: newOp(), alias }))), (found) => {
      group.names = found.map((one) => one.name);
      if (this.group === group) this.show(this.payload);
      say("The names are shown; that is logged.");
    });
  }

  // Others

  lease({ leases = [] }) {
    if (!this.group || !this.leases) return;
    const here = leases.filter((one) => one.question === this.question.id && one.group === this.group.id && one.who !== who).map((one) => one.who);
    this.leases.hidden = !here.length;
    this.leases.textContent = here.length ? `${here.join(" and ")} ${here.length === 1 ? "is" : "are"} at this group too.` : "";
  }

  async changed({ questions: named, graded, who: other }) {
    const questions = graded ? null : named;
    if (!this.group) {
      if (!questions || questions.includes(this.question.id)) {
        await this.ask(() => get(`/api/next?question=${part(this.question.id)}`), (payload) => payload.group && this.show(payload));
      }
      return;
    }
    if (other === who || (questions && !questions.includes(this.question.id))) return;
    const { group } = this;
    await this.ask(() => get(`/api/group/${part(this.question.id)}/${part(group.id)}`), (payload) => {
      if (this.group !== group || this.busy || !payload.group) return;
      this.payload.place = payload.place;
      this.showPlace();
      if (payload.group.seen === group.seen && payload.group.size === group.size) return;
      if (this.form.touched) {
        // What is being written stays; saving it shows both versions.
        const by = payload.group.decision?.who;
        this.leases.hidden = false;
        this.leases.textContent = by ? `${by} has marked this just now.` : "This group has changed just now.";
      } else {
        this.show(payload);
      }
    });
  }
}
