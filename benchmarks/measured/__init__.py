"""What `performance.py` and `scaling.py` measure, and with what.

A piece of work is a function that prepares it and returns what is timed; what prepares takes a
folder with files that were made once, and options. A *side* of a comparison is such a function in a
process of its own. ``turns`` lets the sides of a row take turns, ``rows`` lists the rows, ``table``
prints them; the other files hold the work: ours through the functions that the app itself calls,
and beside it what one would write without it.
"""
