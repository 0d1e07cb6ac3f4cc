"""A canvas that writes down what is drawn on it."""

from __future__ import annotations


class Sheet:
    """Takes every drawing command as ``(name, *arguments)``."""

    def __init__(self):
        self.calls = []
        self.width = self.height = 0

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))

    def named(self, name):
        """The commands of one name, in order."""
        return [call for call in self.calls if call[0] == name]
