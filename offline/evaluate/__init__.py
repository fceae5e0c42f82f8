"""``evaluate``: what xQG does to recall, per language, and whether the difference is real."""
