"""The order of things: the only place where disk and arrays, shell and core, are joined."""
