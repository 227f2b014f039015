"""From a question to a namespace: the checkpoints of one executed notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grader.assignment.assignment import Limits
from grader.execution.namespace import Namespace
from grader.execution.probe import CheckpointLost, Keeper, Probe, is_pid
from grader.execution.runner import Execution


class Replacement:
    """Definitions of the reference that take the place of a notebook's own."""

    def __init__(self, source: str, names: Sequence[str]) -> None:
        self.source = source
        self.names = list(names)

    def apply(self, probe: Probe) -> None:
        probe.ask("define", source=self.source, names=self.names)


class Checkpoints:
    """The checkpoints that one run left in its sandbox."""

    def __init__(self, sandbox: Keeper, execution: Execution, limits: Limits) -> None:
        self.sandbox = sandbox
        self.execution = execution
        self.limits = limits

    def namespace(
        self, question: str, seed: int, replacement: Replacement | None = None, *, last: bool = False
    ) -> Namespace:
        """The notebook after the cells of `question`; with `replacement`, changed before anything is asked.

        With `last`, nobody asks this checkpoint again: it answers itself, which saves a fork, and is gone afterwards.
        """
        return Namespace(lambda: self._probe(self._path(self.execution.after, question), seed, replacement, last))

    def probe(self, question: str, seed: int, replacement: Replacement | None = None) -> Probe:
        """A probe of the checkpoint after the cells of `question`."""
        return self._probe(self._path(self.execution.after, question), seed, replacement, last=False)

    def rerun(
        self, question: str, seed: int, replacement: Replacement | None, sources: Sequence[str], records: Sequence[str]
    ) -> Path:
        """Run cells as the question's from the state before it, changed by `replacement`; freeze the result.

        Raises StudentError when the cells do not come to an end.
        """
        limits = self.limits
        before = self._path(self.execution.before, question)
        beside = self.execution.beside.get(before, "")
        probe = Probe(self.sandbox, before, limits.rerun_cpu_seconds, limits.cell_wall_seconds, seed, 0, beside)
        try:
            if replacement is not None:
                replacement.apply(probe)
            probe.ask("run_cells", sources=list(sources), record=list(records))
            path = self.sandbox.path("checkpoint")
            pid = probe.ask("checkpoint", path=str(path))
            if is_pid(pid):
                self.sandbox.kept.add(pid)
            return path
        finally:
            probe.close()

    def namespace_at(self, path: Path, seed: int) -> Namespace:
        """The state that `rerun` has frozen."""
        return Namespace(lambda: self._probe(path, seed, None, last=False))

    def _probe(self, path: Path, seed: int, replacement: Replacement | None, last: bool) -> Probe:
        limits = self.limits
        checkpoint = self.execution.processes.get(path, 0) if last else 0
        beside = self.execution.beside.get(path, "")
        probe = Probe(self.sandbox, path, limits.check_cpu_seconds, limits.check_wall_seconds, seed, checkpoint, beside)
        if replacement is not None:
            try:
                replacement.apply(probe)
            except BaseException:
                probe.close()
                raise
        return probe

    def _path(self, paths: dict[str, Path], question: str) -> Path:
        try:
            return paths[question]
        except KeyError:
            why = f"the notebook was not run up to question {question}"
            raise CheckpointLost(" ".join([f"{why}.", *self.execution.notes])) from None
