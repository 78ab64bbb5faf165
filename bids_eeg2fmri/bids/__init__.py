"""From disk to types and back: finding, reading and writing BIDS."""
