"""Fuzzing for as long as one likes: `make fuzz`. What breaks is written to a folder, with what makes it again."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from fuzz.attempts import attempts
from fuzz.targets import TARGETS


def main() -> int:
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", default=str(int(time.time())), help="the same seed makes the same inputs")
    parser.add_argument("--target", choices=names, action="append", help="only this part; all, where none is named")
    parser.add_argument("--output", type=Path, default=Path("fuzz"), help="the folder for what breaks")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)

    running = [
        (target, attempts(target, arguments.seed, itertools.count()))
        for target in TARGETS
        if target.name in (arguments.target or names)
    ]
    tried = dict.fromkeys((target.name for target, _ in running), 0)
    kinds: set[str] = set()
    end = time.monotonic() + arguments.minutes * 60
    while time.monotonic() < end:
        for target, outcomes in running:
            for _, broken in itertools.islice(outcomes, 20):
                tried[target.name] += 1
                if broken is None:
                    continue
                # The same fault is found many times: the first input of each is kept.
                kind = f"{target.name} {broken.what.strip().splitlines()[-1][:60]}"
                if kind in kinds:
                    continue
                kinds.add(kind)
                arguments.output.mkdir(parents=True, exist_ok=True)
                path = arguments.output / f"{target.name}-{arguments.seed}-{broken.number}{target.suffix}"
                path.write_bytes(broken.data)
                print(f"{path}: {broken}", flush=True)
    print(", ".join(f"{count} of {name}" for name, count in tried.items()), f"tried; {len(kinds)} kinds of fault found")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
