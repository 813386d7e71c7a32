"""The command `bento`: a thin layer on `localbento.api`.  Data goes to stdout, everything else to stderr."""
