"""BlockGenerator: the work of one block, the same in this process, in a job array and on Ray."""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from app.errors import ConfigurationError, GeneratorUnavailable
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
    """Fills what blocks lack and writes them.  Made once a process.

    Args:
        folder: of a generation that has its manifest and its source prepared.
        source: where the queries come from.
        patient: go on however many passages get nothing of use.
    """

    def __init__(self, folder: Path, source: Source, patient: bool = False) -> None:
        self._generation = Generation(folder)
        manifest = self._generation.manifest()
        if manifest is None:
            raise ConfigurationError(f"{folder} holds no generation; is it on storage that every worker sees?")
        self._manifest: GenerationManifest = manifest
        self._generator = source.open(folder)
        self._at_once = source.blocks_at_once(manifest.block_size)
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="block")
        self._patient = patient
        self._barren = 0

    def run(self, units: Iterable[int]) -> Iterator[BlockReport]:
        """Generate the queries that the blocks lack.

        Raises:
            GeneratorUnavailable: the source cannot work now, or gives nothing of use.
        """
        waiting = iter(units)
        under_way = {self._pool.submit(self._fill, number) for number in islice(waiting, self._at_once)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            under_way |= {self._pool.submit(self._fill, number) for number in islice(waiting, len(done))}
            for future in done:
                yield future.result()

    def _fill(self, number: int) -> BlockReport:
        passages = self._generation.passages(self._manifest.rows(number))
        block = self._generation.read_block(self._manifest, number)
        if block is None:
            block = Block([passage.docid for passage in passages], [{} for _ in passages])
        elif next(block.lacking(self._manifest), None) is None:  # another worker did it, and died after
            return BlockReport(len(passages), 0)
        gained = 0
        for _ in range(self._generator.rounds):
            gained += self._ask(block, passages)
        self._generation.write_block(self._manifest, number, block)
        self._refuse_barren(block)
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

    def _refuse_barren(self, block: Block) -> None:
        """End a run whose source gives no passage anything; some passages that lack some are another matter."""
        cells = [cell for each in block.cells for cell in each.values()]
        if any(cell.queries for cell in cells):
            self._barren = 0
            return
        self._barren += len(block.cells)
        if self._barren >= _BARREN_PASSAGES and self._generator.rounds > 1 and not self._patient:
            raise GeneratorUnavailable(
                f"the generator gave no query of use for {self._barren} passages in a row, the last because "
                f"{cells[-1].problem}; mend it and run the same command again, or pass --allow-partial"
            )

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._generator.close()  # before waiting: what is under way may itself be waiting for a server
        self._pool.shutdown()
