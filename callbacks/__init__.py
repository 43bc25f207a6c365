"""Lightning callbacks: thin adapters over lrtool's pure core. Import as `lrtool.callbacks`."""
