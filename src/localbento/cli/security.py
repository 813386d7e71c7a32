"""`bento security`."""

from localbento.cli import options, show


def security(as_json: options.Json = False) -> None:
    """Print the parameter sets and the bits that they prove, by error term."""
    from localbento import api

    if as_json:
        show.print_json(api.security())
    else:
        print(api.security_table())
