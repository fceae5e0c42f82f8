"""Scores per question, and their averages."""
