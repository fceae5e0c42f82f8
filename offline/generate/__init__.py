"""Passages to queries in the seven languages: by a seq2seq model, a chat server, or ready-made files."""
