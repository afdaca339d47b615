"""Published data sets of questions with text answers, one a file."""
