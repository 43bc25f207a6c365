"""Finished objects drawn on matplotlib Axes; nothing here calls show()."""
