"""strace's text as a stream, with strace's options.

`options.py` takes the options, `sets.py` the sets in them, `tracer.py` orders the lines, `summary.py` counts,
`library.py` adds calls of functions, `output.py` is the file,
`witness.py` looks into the live machine for what the log has not. The words of a line are `app.strace`'s, as
they are the Trace pane's.
"""

from app.tracing.options import TraceOptions
from app.tracing.tracer import Tracer

__all__ = ["TraceOptions", "Tracer"]
