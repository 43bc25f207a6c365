"""Self-contained HTML from finished results."""
