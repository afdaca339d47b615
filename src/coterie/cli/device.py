"""The option --device of the subcommands that run a model."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import torch

device_option = click.option(
    "--device",
    metavar="DEVICE",
    help="cuda, cuda:1, mps, cpu ...  [default: an accelerator where there is one]",
)


def announce_device(name: str | None) -> "torch.device":
    """Choose the device of --device, and say on standard error which it is.

    Raises ValueError if it is not on this machine.
    """
    from coterie.devices import choose_device, describe_device
    from coterie.distributed import is_rank_zero

    device = choose_device(name)
    if is_rank_zero():
        click.echo(f"running on {describe_device(device)}", err=True)
    return device
