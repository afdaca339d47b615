"""Vision tasks whose labels are pictures: data sets, losses, scores, and a model with heads."""
