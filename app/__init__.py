"""What a person touches: sessions, time, panes, lessons, commands. Only here is Textual named."""
