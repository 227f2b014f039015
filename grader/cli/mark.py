"""`grader mark`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.cli.explain import explained, shown


def mark(
    results: Annotated[Path, typer.Argument(help="The folder that `grader grade` has written.")],
    rubric: Annotated[Path, typer.Option(help="The rubric's folder, such as rubrics/dl1.")],
    host: Annotated[str, typer.Option(help="Where to listen: 0.0.0.0 is for other machines, too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: 8321, or the next port that is free.")] = 0,
    base_url: Annotated[
        str, typer.Option("--base-url", help="The address behind a proxy, such as https://example.edu/marking.")
    ] = "",
    name: Annotated[str, typer.Option("--as", help="Your name, as it is to stand beside your marks.")] = "",
    people: Annotated[
        Path | None, typer.Option(help="A file with a name and a token for each person who marks.")
    ] = None,
    invite: Annotated[
        str, typer.Option(help="Put a person into the file of --people, print their address, and end.")
    ] = "",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Mark in the browser: start a server on this machine, and open its page."""
    with explained(results, lambda: "every mark is saved"):
        from grader.assignment.assignment import load_assignment
        from grader.faults import Faults

        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError:
            raise Faults(["marking in the browser needs more packages: pip install 'grader[mark]'"]) from None
        from grader.desk.people import People, fit_name, new_token
        from grader.desk.server import address_with, listen, secret_of, serve

        assignment = load_assignment(rubric)
        token = "" if people else new_token()
        crowd = People(secret_of(results, "cookies"), token=token, name=fit_name(name) if name else "", file=people)
        listening = listen(results, host, port, base_url)
        address = address_with(listening.address, token) if token else listening.address

        def ready() -> None:
            typer.echo(f"Marking {shown(results)} at {address}")

        serve(assignment, results, crowd, listening, ready)
