"""A sentence for each event, by what it is about. `app.story` decides which one is told.

Each module has `TELLERS`: from an event's type to a function of the event and the State behind it. They say
what happened in a textbook's words, with the real values, and leave to others how it looks.
"""
