"""The command line: one file a command. Parses, calls, prints; decides nothing."""
