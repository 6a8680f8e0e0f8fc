"""Vectors -> their neighbours: exact and indexed search, mining, duplicates, clusters."""
