"""A vision backbone with a task embedding and a head per task."""
