"""Amplify what a network sees."""

from phosphene.dreaming.dream import dream

__all__ = ["dream"]
