"""The networks of the paper, one file for each of its ideas."""
