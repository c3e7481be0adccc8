"""Lessons: one page each, computed in front of the reader."""
