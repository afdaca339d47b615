"""What joins the maps of several sensors, one kind per file."""
