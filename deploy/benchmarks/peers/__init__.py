"""What users pick instead: each module is a small server over the same encoder and the same passages.

They run in a virtualenv of their own and import nothing of this project but each other.
"""
