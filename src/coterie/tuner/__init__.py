"""The PEFT method that adds mixtures to a base model and collects each batch's routing context."""
