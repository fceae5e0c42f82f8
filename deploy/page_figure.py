"""The README's picture of the search page: the passages of examples/corpus, one question, drawn as SVG.

    make demo
    .venv/bin/python -m deploy.page_figure

Chromium prints the page as it stands on a screen, poppler's ``pdftocairo`` (Debian: poppler-utils) turns the print
into outlines and scour takes out what nobody sees.  So it needs no fonts where it is looked at.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page

from deploy.benchmarks.load_client import Target
from deploy.benchmarks.server import ROOT, running
from deploy.chromium import chromium

_CORPUS = ROOT / "examples" / "corpus"
_QUESTION = "కావేరి నది పొడవు ఎంత?"
"""How long is the Kaveri?  Not among its generated queries."""
_TITLE = "Kaveri"
_FIRST_QUESTION = "Где берёт начало река Кавери?"
"""Asked until it is answered; another one, since what was asked before is answered from memory."""
_WIDTH_PX = 860
_HITS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("var/demo/bundle"), help="the encoder")
    parser.add_argument("--output", type=Path, default=ROOT / "deploy/figures/search_page.svg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = arguments.bundle.resolve()
        index = _build(bundle, folder)
        environment = {"XQG_BUNDLE": str(bundle), "XQG_INDEX": index, "XQG_PORT": "{port}"}
        command = (sys.executable, "-m", "app")
        with running(command, environment, _search, _FIRST_QUESTION, folder / "log") as server, chromium() as browser:
            page = browser.new_page(
                base_url=f"http://{server.target.host}:{server.target.port}",
                viewport={"width": _WIDTH_PX, "height": 400},
                color_scheme="light",
            )
            _ask(page)
            _print(page, folder / "page.pdf")
        _draw(folder / "page.pdf", arguments.output)
    sys.stdout.write(f"{arguments.output}\n")


def _build(bundle: Path, folder: Path) -> str:
    """The index of the examples, as ``XQG_INDEX`` names it."""
    index = f"edge:{folder / 'index'}"
    given = {
        "--corpus": _CORPUS / "corpus.jsonl",
        "--queries": _CORPUS / "queries.jsonl",
        "--bundle": bundle,
        "--vectors": folder / "vectors",
        "--index": index,
        "--alpha": 0.05,
        "--filter-field": "topic",
    }
    options = [str(word) for pair in given.items() for word in pair]
    subprocess.run([sys.executable, "-m", "offline", "build", *options], cwd=ROOT, check=True)  # noqa: S603
    return index


def _search(port: int) -> Target:
    return Target("127.0.0.1", port, "GET", "/v1/search?q=", lambda question: quote(question).encode(), _TITLE.encode())


def _ask(page: Page) -> None:
    page.goto(f"/?top_k={_HITS}")
    page.locator("#facts:not(:empty)").wait_for()
    page.get_by_role("searchbox").fill(_QUESTION)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Closest generated queries").wait_for()


def _print(page: Page, pdf: Path) -> None:
    page.emulate_media(media="screen")
    height_px = page.evaluate("document.documentElement.scrollHeight") + 1  # a whole page, whatever is rounded
    page.pdf(path=pdf, width=f"{_WIDTH_PX}px", height=f"{height_px}px", print_background=True)


def _draw(pdf: Path, output: Path) -> None:
    drawing = pdf.with_suffix(".svg")
    subprocess.run(["pdftocairo", "-svg", pdf, drawing], check=True)  # noqa: S603, S607
    scour = ("--set-precision=4", "--enable-id-stripping", "--enable-comment-stripping", "--shorten-ids", "--quiet")
    subprocess.run([sys.executable, "-m", "scour.scour", "-i", drawing, "-o", output, *scour], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
