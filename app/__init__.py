"""What a person touches: sessions, time, panes, lessons, commands. Textual and networkx are named only here."""
