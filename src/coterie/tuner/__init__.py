"""The PEFT method that puts mixtures into a host and takes batches through them."""
