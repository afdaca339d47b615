"""Single-task models extracted from a mixture, exact to rounding, in formats that others load."""

from coterie.extract.extract import extract

__all__ = ["extract"]
