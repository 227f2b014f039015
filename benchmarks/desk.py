"""Mark a class of 1,000 in the browser's place, and see how long a key takes until it is saved and the next is shown.

    .venv/bin/python benchmarks/desk.py                        1,000 submissions, 12 text questions
    .venv/bin/python benchmarks/desk.py --people 3             three people, each as fast as they can
    .venv/bin/python benchmarks/desk.py --submissions 100      a quick look

The results are made from a seed: texts of a small vocabulary, some of them equal, some near-equal, some empty; code
with outputs and figures. The server is the real one, asked over HTTP as a page asks it; pages are made anew meanwhile.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import io
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import page
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grader.assignment.assignment import Assignment, load_assignment
from grader.report.store import write_pages
from grader.results.results import CheckResult, QuestionResult, SubmissionResult, total, write_atomically

HERE = Path(__file__).resolve().parent
RUBRIC = HERE.parent / "rubrics" / "dl1"
MEDIAN, LATE, START = 0.050, 0.150, 2.0
"""Seconds to reach: median and 95th percentile of a key, and until the server answers."""


def main() -> int:
    options = arguments()
    folder = Path(options.work).resolve() / "desk"
    output = folder / f"results-{options.submissions}"
    assignment = load_assignment(RUBRIC)
    if not options.keep or not output.is_dir():
        shutil.rmtree(output, ignore_errors=True)
        print(f"making {options.submissions} results", flush=True)
        write_class(assignment, output, options.submissions, options.seed)
    for old in output.glob("marks.sqlite3*"):
        old.unlink()
    found = measure(assignment, output, options.people, options.keys)
    found["settings"] = {"submissions": options.submissions, "people": options.people, "seed": options.seed}
    write_atomically(HERE / "desk.json", json.dumps(found, indent=1) + "\n")
    text = lines(found)
    page.into_readme(HERE / "README.md", "desk.py", "\n".join(f"- {one}" for one in text))
    print("\n".join(text))
    if not options.keep:
        shutil.rmtree(output)
    return int(not found["fine"])


# The class


STARTS = ["I think", "As we see,", "In this run", "The plot shows that", "It seems", "Clearly,", "We found that"]
SUBJECTS = ["the step size", "the learning rate", "the loss", "the minibatch", "sigmoid", "the network", "the gradient"]
VERBS = ["is too small", "is too large", "oscillates", "converges", "does not converge", "gets stuck", "diverges"]
REASONS = [
    "since the steps get small",
    "because of $\\alpha = 0.1$",
    "as it jumps over it",
    "with 2 layers",
    "overfitting",
]


def write_class(assignment: Assignment, output: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    drawn = list(figures(rng))
    common = {
        question.id: [sentence(rng) for _ in range(12)] for question in assignment.questions if question.kind == "text"
    }
    for number in range(count):
        result, cells = SubmissionResult(submission=f"student-{number:04}", file=f"{number}.ipynb"), []
        result.root, result.source = "../submissions", result.file
        result.assignment, result.fingerprint = assignment.title, f"{number}"
        for question in assignment.questions:
            if question.kind == "text":
                source = text(rng, common[question.id])
                cells.append(new_markdown_cell(source))
            else:
                source = code(rng, question.id)
                cells.append(new_code_cell(source, outputs=outputs(rng, drawn)))
            place = len(cells) - 1
            result.questions.append(answer(rng, question, source, place))
        total(result)
        write_pages(output, result, "a report\n", nbformat.writes(new_notebook(cells=cells)))


def text(rng: random.Random, common: list[str]) -> str:
    draw = rng.random()
    if draw < 0.05:
        return ""
    if draw < 0.25:
        chosen = rng.choice(common)
        return rng.choice([chosen, chosen.lower(), chosen.rstrip("."), f"**{chosen}**"])
    return " ".join(sentence(rng) for _ in range(rng.randint(1, 6)))


def sentence(rng: random.Random) -> str:
    said = " ".join(rng.choice(words) for words in (STARTS, SUBJECTS, VERBS, REASONS))
    return f"{said} ({rng.randint(1, 999)})."


def code(rng: random.Random, id: str) -> str:
    name = "f_" + id.replace(".", "_")
    return f"def {name}(x):\n    y = x * {rng.randint(1, 9)}\n    return y + {rng.randint(1, 3)}\n\nprint({name}(1))"


def figures(rng: random.Random) -> Iterator[str]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for _ in range(10):
        pyplot.figure()
        pyplot.plot([rng.random() for _ in range(200)])
        file = io.BytesIO()
        pyplot.savefig(file)
        pyplot.close()
        yield base64.b64encode(file.getvalue()).decode()


def outputs(rng: random.Random, drawn: list[str]) -> list[Any]:
    printed = "\n".join(f"epoch {epoch}: loss {rng.random():.4f}" for epoch in range(40))
    shown = [new_output("display_data", data={"image/png": rng.choice(drawn)})] if rng.random() < 0.4 else []
    return [new_output("stream", text=printed), *shown]


def answer(rng: random.Random, question: Any, source: str, place: int) -> QuestionResult:
    checks = []
    if question.kind == "code":
        passed = rng.random() < 0.7
        checks = [
            CheckResult(
                name="test.py::test_it",
                title="It is right.",
                points=question.points if passed else 0.0,
                max_points=question.points,
                status="passed" if passed else "failed",
                message="" if passed else "It is 3, expected 4.",
            )
        ]
    status: Any = checks[0].status if checks else "to be marked" if source else "missing"
    return QuestionResult(
        id=question.id,
        title=question.title,
        kind=question.kind,
        points=checks[0].points if checks else None,
        max_points=question.points,
        status=status,
        cells=[place] if source else [],
        checks=checks,
        criteria=question.criteria,
        answer=hashlib.sha256(json.dumps([source]).encode()).hexdigest() if source else "",
    )


# Marking it


class Marker:
    """One person's page: a connection that stays open, and a cookie."""

    def __init__(self, address: str, name: str) -> None:
        parts = urlsplit(address)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        reply, _ = self._ask("GET", f"{parts.path}?{parts.query}")
        self.cookie = (reply.getheader("set-cookie") or "").partition(";")[0]
        reply, _ = self._ask("POST", "/name", f"name={name}")
        self.cookie = (reply.getheader("set-cookie") or self.cookie).partition(";")[0]

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        form = path == "/name"
        headers = {"Cookie": getattr(self, "cookie", ""), "X-Grader": "1"}
        headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        return reply, reply.read()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        reply, content = self._ask(method, path, None if body is None else json.dumps(body))
        if reply.status != 200:
            raise RuntimeError(f"{method} {path}: {reply.status} {content[:500]!r}")
        return json.loads(content)


def measure(assignment: Assignment, output: Path, people: int, keys: int) -> dict[str, Any]:
    begun = time.perf_counter()
    start_it = [sys.executable, "-c", "from grader.cli import main; main()", "mark", output, "--rubric", RUBRIC]
    server = subprocess.Popen([*start_it, "--no-browser"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(match[0] for line in server.stdout if (match := re.search(r"http://\S+", line)))
        markers = [Marker(address, f"marker-{number}") for number in range(people)]
        markers[0].ask("GET", "/api/queue")
        start, start_cpu = time.perf_counter() - begun, cpu(server.pid)
        questions = [question.id for question in assignment.questions if question.kind == "text"]
        first = [timed(markers[0], f"/api/next?question={id}") for id in questions]
        taken: list[float] = []
        spent = cpu(server.pid)
        threads = [
            threading.Thread(target=mark, args=(marker, questions, keys, number, taken))
            for number, marker in enumerate(markers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory = resident(server.pid)
        queue = timed(markers[0], "/api/queue")
        spent = cpu(server.pid) - spent
    finally:
        server.terminate()
        server.wait()
    taken.sort()
    median, late = statistics.median(taken), taken[int(len(taken) * 0.95)]
    return {
        "start_seconds": round(start, 3),
        "start_cpu_seconds": round(start_cpu, 3),
        "first_group_seconds": round(first[0], 3),
        "other_questions_seconds": round(statistics.median(first[1:]), 3),
        "keys": len(taken),
        "median_seconds": round(median, 4),
        "late_seconds": round(late, 4),
        "slowest_seconds": round(taken[-1], 4),
        "queue_seconds": round(queue, 4),
        "cpu_seconds": round(spent / len(taken), 4),
        "memory_mib": {name: round(size / 2**20) for name, size in memory.items()},
        "fine": start < START and median < MEDIAN and late < LATE,
    }


def timed(marker: Marker, path: str) -> float:
    begun = time.perf_counter()
    marker.ask("GET", path)
    return time.perf_counter() - begun


def mark(marker: Marker, questions: list[str], keys: int, number: int, taken: list[float]) -> None:
    """Some groups of each question, as fast as one can: each key is sent when the next answer is there."""
    each = -(-keys // len(questions))
    for place, question in enumerate(questions):
        shown = marker.ask("GET", f"/api/next?question={question}")
        for count in range(each):
            group = shown["group"]
            if group is None:
                break
            body = {
                "op": f"{number}-{place}-{count}",
                "question": question,
                "group": group["id"],
                "members": group["members"],
                "seen": group["seen"],
                "points": 0.0 if group["empty"] else 1.0,
            }
            begun = time.perf_counter()
            shown = marker.ask("POST", "/api/decide", body)["next"]
            taken.append(time.perf_counter() - begun)


def cpu(pid: int) -> float:
    """CPU time of the server itself, in seconds: without the processes that make pages meanwhile."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def resident(pid: int) -> dict[str, int]:
    """Proportional set size of the server and its processes, in bytes, by what they do."""
    import psutil

    server = psutil.Process(pid)
    found = {"server": server.memory_full_info().pss}
    for child in server.children(recursive=True):
        line = child.cmdline()
        name = line[-1] if "grader.desk.helper" in line else "guard"
        found[name] = found.get(name, 0) + child.memory_full_info().pss
    return found


def lines(found: dict[str, Any]) -> list[str]:
    settings, memory = found["settings"], found["memory_mib"]
    who = "one person" if settings["people"] == 1 else f"{settings['people']} people at once"
    return [
        f"a class of {settings['submissions']:,}, {who}, {found['keys']:,} marks as fast as they can: a key is saved "
        f"and the next answer there after {1000 * found['median_seconds']:.0f} ms (median), "
        f"{1000 * found['late_seconds']:.0f} ms (95th percentile); the slowest took "
        f"{1000 * found['slowest_seconds']:.0f} ms; of the server's CPU time, a key takes "
        f"{1000 * found['cpu_seconds']:.1f} ms",
        f"the server answers {found['start_seconds']:.1f} s after its start, of which it has computed "
        f"{found['start_cpu_seconds']:.1f} s; the first answer of the first question "
        f"takes {found['first_group_seconds']:.1f} s, of another one {found['other_questions_seconds']:.1f} s (once)",
        "memory: " + ", ".join(f"{name} {size} MiB" for name, size in memory.items()),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=1000)
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--keys", type=int, default=300, help="marks that each person gives")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="/tmp/grader-benchmarks", help="where the results go")
    parser.add_argument("--keep", action="store_true", help="use the results that are there, and leave them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
