"""BlockGenerator: the work of one block, the same in this process, in a job array and on Ray."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.errors import GeneratorUnavailable
from app.passages import Passage
from offline.generate.folder import Block, Cell, Generation, GenerationManifest
from offline.generate.generator import Wanted
from offline.generate.sources import Source

_BARREN_PASSAGES = 16  # after as many with nothing of use, the source is at fault, not the passages


@dataclass(frozen=True, slots=True)
class BlockReport:
    """What was done of a block."""

    passages: int
    queries: int


class BlockGenerator:
    """Fills what blocks lack and writes them.  Made once a process."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._generation = Generation(folder)
        manifest = self._generation.manifest()
        assert manifest is not None, "a worker starts after the manifest is written"
        self._manifest: GenerationManifest = manifest
        self._generator = source.open(folder)
        self._at_once = source.blocks_at_once
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="block")
        self._barren = 0

    def run(self, units: Iterable[int]) -> Iterator[BlockReport]:
        """Generate the queries that the blocks lack.

        Raises:
            GeneratorUnavailable: the source cannot work now, or gives nothing of use.
        """
        waiting = iter(units)
        under_way = deque(self._pool.submit(self._fill, number) for number in islice(waiting, self._at_once))
        while under_way:
            done = under_way.popleft().result()
            under_way += [self._pool.submit(self._fill, number) for number in islice(waiting, 1)]
            yield done

    def _fill(self, number: int) -> BlockReport:
        passages = self._generation.passages(self._manifest.rows(number))
        block = self._generation.read_block(number)
        if block is None:
            block = Block([passage.docid for passage in passages], [{} for _ in passages])
        elif next(block.lacking(self._manifest), None) is None:  # another worker did it, and died after
            return BlockReport(len(passages), 0)
        gained = 0
        for _ in range(self._generator.rounds):
            gained += self._ask(block, passages)
        self._generation.write_block(number, block)
        self._refuse_barren(block, gained)
        return BlockReport(len(passages), gained)

    def _ask(self, block: Block, passages: list[Passage]) -> int:
        """Ask once for all that lacks; how many queries came."""
        cells: list[Cell] = []
        wanted: list[Wanted] = []
        for number, code in block.lacking(self._manifest):
            cell = block.cells[number].setdefault(code, Cell())
            count = self._manifest.queries_per_language - len(cell.queries)
            cells.append(cell)
            wanted.append(Wanted(passages[number], code, count, cell.drawn, tuple(cell.queries)))
        if not wanted:
            return 0
        answers = self._generator.generate(wanted)
        block.tally += answers.tally
        for cell, each, answer in zip(cells, wanted, answers.answers, strict=True):
            cell.queries += answer.queries[: each.count]
            cell.drawn += each.count
            cell.problem = answer.problem if len(answer.queries) < each.count else ""
        return sum(len(answer.queries) for answer in answers.answers)

    def _refuse_barren(self, block: Block, gained: int) -> None:
        problems = [cell.problem for cells in block.cells for cell in cells.values() if cell.problem]
        if gained or not problems:
            self._barren = 0
            return
        self._barren += len(block.cells)
        if self._barren >= _BARREN_PASSAGES and self._generator.rounds > 1:
            raise GeneratorUnavailable(
                f"the generator gave no query of use for {self._barren} passages in a row, the last because "
                f"{problems[-1]}; mend it and run the same command again"
            )

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._generator.close()  # before waiting: what is under way may itself be waiting for a server
        self._pool.shutdown()
