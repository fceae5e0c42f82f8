"""Hugging Face encoder -> bundle, through optimum; refuses when parity with torch fails."""
