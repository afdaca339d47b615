"""Small single-task models cut out of a mixture, exact to rounding, in formats others load."""

from coterie.extract.extract import extract

__all__ = ["extract"]
