"""Who decides: gates make logits, routers make weights of them, and a tape keeps what they said."""
