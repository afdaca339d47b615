"""README and docs: their blocks run, their tables are those of the results, the site builds."""
