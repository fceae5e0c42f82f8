"""The five-minute tour: a real encoder and a real corpus, both read from installed packages."""
