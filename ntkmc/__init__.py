"""Infinitely wide neural networks that complete images, tables and matrices."""
