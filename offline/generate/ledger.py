"""The ledger of a generation: over passage, language and query, what is there and what is missing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from offline.generate.folder import Generation, GenerationManifest

_EXAMPLES = 3
_PROBLEMS = 100


@dataclass(slots=True)
class Ledger:
    """What a generation holds; made by reading its blocks one by one."""

    missing_blocks: list[int] = field(default_factory=list)
    """Blocks that no worker has done."""
    queries: Counter[str] = field(default_factory=Counter)
    """Language to queries that are there."""
    lacking: Counter[str] = field(default_factory=Counter)
    """Language to passages with fewer than wanted, in blocks that are done."""
    examples: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, generation: Generation, manifest: GenerationManifest, blocks: Iterable[int] | None = None) -> "Ledger":
        """Over ``blocks``, or all of them."""
        ledger = cls()
        for number in range(manifest.block_count) if blocks is None else blocks:
            block = generation.read_block(manifest, number)
            if block is None:
                ledger.missing_blocks.append(number)
                continue
            ledger.tally += block.tally
            for cells in block.cells:
                ledger.queries.update({code: len(cell.queries) for code, cell in cells.items()})
            for row, code in block.lacking(manifest):
                cell = block.cells[row].get(code)
                ledger.lacking[code] += 1
                problem = cell.problem if cell and cell.problem else "never asked for"
                # what a model says is as varied as it likes; the first few kinds are enough
                known = problem in ledger.problems or len(ledger.problems) < _PROBLEMS
                ledger.problems[problem if known else "of other problems"] += 1
                if len(ledger.examples) < _EXAMPLES:
                    ledger.examples.append(f"{block.docids[row]} ({code})")
        return ledger

    @property
    def is_complete(self) -> bool:
        return not self.missing_blocks and not self.lacking

    def what_lacks(self) -> str:
        """``ar: 3 passages, te: 1 passage (such as Paris (ar)); the model drew ...``"""
        counts = ", ".join(f"{code}: {count:,}" for code, count in sorted(self.lacking.items()))
        problems = ", ".join(f"{problem} ({count:,} times)" for problem, count in self.problems.most_common(2))
        return f"passages that lack queries: {counts} (such as {', '.join(self.examples)}), because {problems}"

    def show(self, manifest: GenerationManifest, console: Console, prices: tuple[float, float] | None = None) -> None:
        """Print all of it; ``prices`` are of a million prompt and a million completion tokens."""
        table = Table(
            "language", "queries", f"of {manifest.passages * manifest.queries_per_language:,}", "passages lacking"
        )
        for code in manifest.languages:
            share = self.queries[code] / (manifest.passages * manifest.queries_per_language)
            table.add_row(code, f"{self.queries[code]:,}", f"{share:.1%}", f"{self.lacking[code]:,}")
        console.print(table)
        if self.missing_blocks:
            done = manifest.block_count - len(self.missing_blocks)
            first = manifest.rows(self.missing_blocks[0])
            console.print(
                f"{done:,} of {manifest.block_count:,} blocks are done; the first that is missing holds the "
                f"passages {first.start + 1:,} to {first.stop:,}"
            )
        if self.lacking:
            console.print(self.what_lacks())
        if self.tally:
            console.print(", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in self.tally.items()))
        if prices is not None:
            millions = self.tally["prompt_tokens"] / 1e6, self.tally["completion_tokens"] / 1e6
            cost = millions[0] * prices[0] + millions[1] * prices[1]
            console.print(f"{cost:,.2f} for the tokens so far, at {prices[0]:g} and {prices[1]:g} a million")
