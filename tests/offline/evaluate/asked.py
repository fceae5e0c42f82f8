"""Questions about the small corpus, with no generated query among them."""

import json
from dataclasses import dataclass
from pathlib import Path

from offline.evaluate.report.model import AskedQuestion
from tests.conftest import SmallCorpus

_TEMPLATES = {"bn": "{} সম্পর্কে আমাকে কিছু বলুন", "fi": "Kertoisitko jotakin aiheesta {}?", "ru": "Расскажи мне про {}"}


@dataclass(frozen=True)
class Beir:
    """A folder in BEIR's layout."""

    folder: Path
    questions: list[AskedQuestion]


def ask(corpus: SmallCorpus, folder: Path) -> Beir:
    """One question a passage and language, by the passage's title, in files and as a report has them."""
    asked = [
        AskedQuestion(id=f"{lang}-{number}", lang=lang, text=template.format(docid), relevant={docid: 1}, answers=[])
        for lang, template in _TEMPLATES.items()
        for number, docid in enumerate(corpus.docids)
    ]
    lines = [json.dumps({"_id": each.id, "text": each.text, "metadata": {"lang": each.lang}}) for each in asked]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    judged = [f"{each.id}\t{docid}\t1" for each in asked for docid in each.relevant]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return Beir(folder, asked)
