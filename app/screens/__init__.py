"""Screens: the main one with the panes, and what opens over it for a moment."""
