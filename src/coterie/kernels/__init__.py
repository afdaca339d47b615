"""The fast forms of experts, each beside the plain reference that tests hold it to."""
