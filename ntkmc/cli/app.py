"""The commands and their options. What they do is imported when they run, so that help is quick."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ntkmc.cli.console import refuse, tidy_warnings


class Prior(enum.StrEnum):
    """Priors of `ntkmc inpaint` that have a name; older versions of typer know no `Literal`."""

    IMAGE = "image"


class _Commands(TyperGroup):
    """Turns an error that is the user's to mend into one line on stderr and exit code 2.

    Warnings are one line each, too. Under ``--debug`` both are Python's own.
    """

    def invoke(self, ctx: Any) -> Any:
        if ctx.params.get("debug"):
            return super().invoke(ctx)
        try:
            with tidy_warnings():
                return super().invoke(ctx)
        except (ValueError, OSError, MemoryError, RuntimeError, ImportError) as error:
            # Exit and Abort are RuntimeErrors of typer's own, ImportErrors say which package to
            # install; anything else is a fault of the program, whose traceback should be seen.
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            refuse(error)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


@app.callback()
def ntkmc(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Complete images and tables with infinitely wide neural networks, exactly."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    size: Annotated[int, typer.Option(help="Side of the photograph in pixels.")] = 256,
    force: Force = False,
) -> None:
    """Inpaint a photograph with a hole, and with half of its pixels missing.

    Writes the pictures and report.html, and prints the scores next to biharmonic inpainting.
    """
    from ntkmc.cli.run import demo

    demo(out, size, force)


@app.command()
def inpaint(
    image: Annotated[
        Path,
        typer.Argument(
            help="PNG, JPEG, TIFF, ...; grey or colour. Or a volume: NIfTI, DICOM, .npy, a TIFF of "
            "several pages, a folder of DICOM slices or of the frames of a video."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write, in a format that holds what the image does; of frames a folder."
        ),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Image of the same size, black where a pixel is to be filled in. Without it, "
            "transparent pixels are, and NaN in a TIFF; none of these ever counts as observed. Of "
            "a volume a volume, zero where a voxel is to be filled in; absent slices or frames are "
            "in any case."
        ),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(
            help="Times the network halves the image: 2**levels spans a hole. 6 where not given; "
            "for volumes as with --auto.",
            min=1,
        ),
    ] = None,
    auto: Annotated[
        bool,
        typer.Option("--auto", help="Choose networks by pixels held out, in place of --levels."),
    ] = False,
    prior: Annotated[
        Prior | None,
        typer.Option(
            help="'image': also learn from what surrounds each pixel; --auto tries it anyway."
        ),
    ] = None,
    ridge: Annotated[
        float | None,
        typer.Option(
            help="Added to the diagonal, relative to its mean: 0, or what --auto chooses.", min=0
        ),
    ] = None,
    std: Annotated[
        Path | None,
        typer.Option(
            help="File to write, too: each pixel's standard deviation; in a PNG 16 bits, white for "
            "the whole range of values, in a TIFF a number. Of a volume a volume of numbers."
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page about it beside the image.")
    ] = False,
    force: Force = False,
) -> None:
    """Fill in the missing pixels of an image, or the missing voxels of a volume."""
    from ntkmc.volumes import is_volume

    options = (prior and prior.value, ridge, std, report, force)
    if is_volume(image):
        from ntkmc.cli.inpaint_volume import inpaint_volume

        inpaint_volume(image, mask, out, None if auto else levels, *options)
        return
    from ntkmc.cli.inpaint import inpaint

    inpaint(image, mask, out, None if auto else levels or 6, *options)


@app.command()
def complete(
    table: Annotated[Path, typer.Argument(help="A .csv, .tsv, .parquet or .npz file.")],
    out: Annotated[Path, typer.Option(help="File to write, in any of these formats.")],
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            help="A column that is one of categories in any case: of names, or of numbers that are "
            "codes. Repeatable."
        ),
    ] = None,
    sep: Annotated[
        str | None,
        typer.Option(
            help="What separates cells of a text file: found from the file, if not given."
        ),
    ] = None,
    decimal: Annotated[str, typer.Option(help="Decimal mark of a text file: . or ,")] = ".",
    na: Annotated[
        list[str] | None,
        typer.Option(help="A cell that marks what is missing, such as '?'. Repeatable."),
    ] = None,
    chained: Annotated[
        bool | None,
        typer.Option(
            "--chained/--no-chained",
            help="Regress each column on all others, too; if not given, in long narrow tables.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option(help="Write a page about it, with the accuracy on this table.")
    ] = True,
    force: Force = False,
) -> None:
    """Fill in the missing entries of a table.

    Columns of numbers, truth values and categories (text that repeats) are filled
    in, names and dates are not. The first column labels the rows where it can.
    Cells that hold something are written back as they were. Writes the table, a
    list of what was imputed with its standard deviations (OUT.imputed.csv), and
    OUT.html.
    """
    from ntkmc.cli.complete import complete

    complete(table, out, categorical or [], chained, report, force, sep, decimal, na or [])


@app.command()
def run(
    config: Annotated[
        Path, typer.Argument(help="YAML file, such as configs/inpainting/vase.yaml.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="solver.ridge=1e-6")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; results/EXPERIMENT/CONFIG/TIME where not given."),
    ] = None,
    force: Force = False,
) -> None:
    """Run an experiment from its configuration and write a results folder."""
    from ntkmc.cli.run import run

    run(config, overrides or [], out, force)


@app.command()
def info() -> None:
    """Show versions, devices and memory."""
    from ntkmc.cli.info import info

    info()


def main(arguments: list[str] | None = None) -> None:
    """Run the command with ``arguments``, those of the process where not given."""
    app(arguments, prog_name="ntkmc")
