"""Smooth penalties: many fits descend at once, by directions from Hessians or from memory around a metric."""
