"""The panes: each file one picture of the machine, as a pure function of a Moment and as a widget around it.

`row` is what a line is made of, `moment` what a pane gets to see, `base` the widget that paints only what
changed, `frame` the lines between panes. Every other file is one pane.
"""
