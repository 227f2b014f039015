"""`grader mark`: parse, call, print."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from grader.cli.explain import complain, explained, shown


def mark(
    results: Annotated[Path, typer.Argument(help="The folder that `grader grade` has written.")],
    rubric: Annotated[Path, typer.Option(help="The rubric's folder, such as rubrics/dl1.")],
    name: Annotated[
        str, typer.Option("--as", help="Your name, as it stands beside your marks. Default: the page asks for it.")
    ] = "",
    people: Annotated[
        Path | None,
        typer.Option(help="A file of those who mark together: a name and a token each. --invite writes it."),
    ] = None,
    invite: Annotated[
        str, typer.Option(metavar="NAME", help="Put somebody into the file of --people, print their address, and end.")
    ] = "",
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0: for other machines, too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: 8321, or the next one that is free.")] = 0,
    base_url: Annotated[
        str, typer.Option("--base-url", help="The address behind a proxy, such as https://example.edu/marking.")
    ] = "",
    keep_items: Annotated[
        bool,
        typer.Option("--keep-items", help="Write items that were added or changed to the rubric, and end."),
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Mark in the browser: start a server on this machine, and open its page. Ctrl-C ends it."""
    with explained(results, lambda: "every mark is saved"):
        from grader.faults import Faults

        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError:
            raise Faults(["marking in the browser needs more packages: pip install 'grader[mark]'"]) from None
        if keep_items:
            _keep_items(results, rubric)
            return
        if invite:
            _invite(results, people, invite, host, port, base_url)
            return
        _serve(results, rubric, name, people, host, port, base_url, no_browser)


def _keep_items(results: Path, rubric: Path) -> None:
    from grader.assignment.assignment import load_assignment
    from grader.marks.keeping import keep_items

    kept = keep_items(load_assignment(rubric), results)
    for what, names in (("Added", kept.added), ("Changed", kept.changed), ("Left out", kept.left_out)):
        if names:
            typer.echo(f"{what}: {shown(', '.join(names))}")
    written = len(kept.added) + len(kept.changed)
    typer.echo(f"{written} {'item' if written == 1 else 'items'} written to {shown(rubric / 'rubric.toml')}")


def _invite(results: Path, people: Path | None, name: str, host: str, port: int, base_url: str) -> None:
    from grader.desk.people import fit_name, invite
    from grader.desk.server import address_with, expected_address
    from grader.faults import Faults

    if people is None:
        raise Faults(["--invite NAME needs --people FILE, the file that the name is written into"])
    name = fit_name(name)
    token = invite(people, name)
    typer.echo(f"{name} marks at {address_with(expected_address(results, host, port, base_url), token)}")
    typer.echo(f"Only this line has the token; {shown(people)} has a digest of it. Send it to nobody else.")


def _serve(
    results: Path, rubric: Path, name: str, people: Path | None, host: str, port: int, base_url: str, no_browser: bool
) -> None:
    from grader.assignment.assignment import load_assignment
    from grader.desk.people import People, fit_name
    from grader.desk.server import (
        address_with,
        is_open_to_readers,
        kept_token,
        listen,
        require_results,
        secret_of,
        serve,
    )

    require_results(results)
    assignment = load_assignment(rubric)
    # With a file of people, each has a token from there; whoever starts the server needs one only to mark as well.
    token = kept_token(results) if name or people is None else ""
    who = People(secret_of(results, "cookies"), token=token, name=fit_name(name) if name else "", file=people)
    listening = listen(results, host, port, base_url)
    address = address_with(listening.address, token) if token else listening.address

    def ready(faults: list[str]) -> None:
        for fault in faults:
            complain(fault)
        typer.echo(f"Marking {shown(results)} at {address}")
        if people is not None:
            names = ", ".join(who.names()) or "nobody yet"
            typer.echo(f"In {shown(people)}: {shown(names)}. --invite NAME makes an address for somebody else.")
        if is_open_to_readers(host, base_url):
            typer.echo(
                "note: what is sent between the browser and this machine is not encrypted; elsewhere than in a network "
                "that you trust, use a proxy with https (--base-url), or a tunnel of ssh"
            )
        typer.echo("Ctrl-C ends it. Every mark is saved at once.")
        if token and not no_browser:
            import webbrowser

            webbrowser.open(address)

    serve(assignment, results, who, listening, ready)
    typer.echo("Ended. Every mark is saved.")
    sys.stdout.flush()
    # Threads that still make pieces of a page are not waited for.
    os._exit(0)
