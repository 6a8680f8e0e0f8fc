"""Answers and gold -> the figures of the official programs, as plain functions of NumPy."""
