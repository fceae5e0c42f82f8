"""Time, memory, disk and cost of a corpus, as arithmetic that can be checked by hand."""
