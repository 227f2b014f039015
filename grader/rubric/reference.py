"""What a check sees of the reference: its answers, remembered, and its errors kept apart from the student's."""

from __future__ import annotations

from grader.execution.checkpoints import Checkpoints
from grader.execution.namespace import Namespace
from grader.execution.probe import NotData, Probe, StudentError
from grader.execution.remembered import Memory, RememberedProbe, about_reference
from grader.rubric.outcomes import ReferenceFailed, explain


def reference_namespace(checkpoints: Checkpoints, memory: Memory, question: str, seed: int) -> Namespace:
    """The reference after the cells of `question`. Asking it raises ReferenceFailed where its code raises."""
    return Namespace(lambda: reference_answers(checkpoints, memory, question, seed))


def reference_answers(checkpoints: Checkpoints, memory: Memory, question: str, seed: int) -> RememberedProbe:
    """What answers for that namespace."""
    return RememberedProbe(
        lambda: _of_reference(checkpoints.probe(question, seed)), memory, about_reference(question, seed)
    )


def _of_reference(probe: Probe) -> Probe:
    """Errors of the reference are not the student's, and its traceback is for staff alone."""
    ask = probe.ask

    def ask_reference(do: str, **arguments: object) -> object:
        try:
            return ask(do, **arguments)
        except NotData:
            # It was handed something of the student's that is no data.
            raise NotData("TypeError", "a function or another object was given where a value is expected") from None
        except StudentError as error:
            raise ReferenceFailed(f"the reference raised {explain(error, lambda file: 'its cell')}") from None

    probe.ask = ask_reference  # type: ignore[method-assign]
    return probe
