"""OpenAI's HTTP interface to an engine; needs the extra `serve`."""
