"""Options that the speed table and the soak share."""

import argparse
from pathlib import Path

from offline.demo.tour import ALPHA


def common_options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("var/demo/bundle"))
    parser.add_argument("--vectors", type=Path, default=Path("var/demo/vectors"), help="of a finished embed run")
    parser.add_argument("--alpha", type=float, default=ALPHA, help="of the index with xQG")
    parser.add_argument("--questions", type=Path, help="JSON lines with `question` or `query`; else the demo's queries")
    parser.add_argument("--seed", type=int, default=0, help="of the questions' order")
    parser.add_argument("--set", action="append", default=[], metavar="XQG_NAME=VALUE", help="a setting of ours")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks"), help="folder for results and logs")
    return parser


def settings_of(assignments: list[str]) -> dict[str, str]:
    """``["XQG_A=1"]`` as a mapping."""
    for assignment in assignments:
        if not assignment.startswith("XQG_") or "=" not in assignment:
            raise SystemExit(f"error: --set {assignment}: give XQG_NAME=VALUE")
    return dict(assignment.split("=", 1) for assignment in assignments)
