"""Which weights of an adapter a model uses, and which of them servers would drop or refuse."""
