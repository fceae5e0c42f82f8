"""The studies, one a module: each fuses anew what was embedded once, and says what came out."""
