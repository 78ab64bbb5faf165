"""Where results are kept, how work is spread, and what the person who waits is told."""
