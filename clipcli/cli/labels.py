"""``clipcli labels``: which sets there are, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clipcli.cli import options
from clipcli.cli.option_groups import Command
from clipcli.errors import ExitCode, LabelSetError, ModelError

if TYPE_CHECKING:
    from clipcli.encoder.encoder import Encoder
    from clipcli.workflows.lint import Advice

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show and check label sets."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. Left out: text.")]


@app.command(name="list", cls=Command)
def list_(as_json: AsJson = False) -> ExitCode:
    """List the built-in label sets.

    Where it is known, how often the bundled model was right with a set stands beside it.
    """
    from clipcli.cli import labels_table as labels
    from clipcli.labels.label_set import builtin_label_sets, load_label_set
    from clipcli.models.accuracy import known_accuracy
    from clipcli.output import text as rows

    label_sets = [load_label_set(name) for name in builtin_label_sets()]
    if as_json:
        rows.print_json(labels.sets_data(label_sets, known_accuracy()))
    else:
        rows.print_rows(labels.set_rows(label_sets, known_accuracy()))
    return ExitCode.DONE


@app.command(cls=Command)
def show(
    spec: Annotated[
        str, typer.Argument(metavar="SET", help="A built-in set, a label file, or 'cat, dog'.")
    ],
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Print every prompt. Left out: names and synonyms.")
    ] = False,
    templates: options.Templates = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Show the labels of a built-in set, a file, or a list."""
    from clipcli.cli import labels_table as labels
    from clipcli.labels.label_set import load_label_set
    from clipcli.labels.templates import choose_templates
    from clipcli.output import text as rows

    label_set = load_label_set(spec)
    chosen = choose_templates(templates, label_set.templates)
    if as_json:
        rows.print_json(labels.set_data(label_set, chosen, with_prompts=prompts))
    elif prompts:
        rows.print_rows(labels.prompt_rows(label_set, chosen))
    else:
        rows.print_rows(labels.label_rows(label_set))
    return ExitCode.DONE


@app.command(cls=Command)
def lint(
    specs: Annotated[
        list[str], typer.Argument(metavar="SET...", help="Label files or built-in sets.")
    ],
    templates: options.Templates = None,
    model: options.Model = None,
    max_similarity: Annotated[
        float | None,
        typer.Option(
            min=-1.0,
            max=1.0,
            metavar="COSINE",
            help="Load the model and report labels whose embeddings are closer than this "
            "(try 0.95). Left out: only the text is looked at.",
        ),
    ] = None,
) -> ExitCode:
    """Check label sets for what is written by mistake.

    Words twice, labels alike, prompts too long, thresholds without effect.

    Exit code 6 where something was found, 2 where a file is malformed.
    """
    from clipcli.output.text import print_line

    encoder = _open_encoder(model, is_needed=max_similarity is not None)
    outcomes = {ExitCode.DONE}
    for spec in specs:
        try:
            findings = _findings(spec, templates, encoder, max_similarity)
        except LabelSetError as error:  # the other files are still worth a look
            print_line(error.message)
            outcomes.add(error.exit_code)
            continue
        for finding in findings:
            where = f"{spec}:{finding.line}" if finding.line else spec
            print_line(f"{where}: {finding.message}")
            outcomes.add(ExitCode.FINDINGS)
    return ExitCode.USAGE if ExitCode.USAGE in outcomes else max(outcomes)


def _findings(
    spec: str, templates: str | None, encoder: Encoder | None, max_similarity: float | None
) -> list[Advice]:
    from clipcli.labels.label_set import load_label_set
    from clipcli.labels.templates import choose_templates
    from clipcli.models.config import ENGLISH, languages_of
    from clipcli.workflows import lint as labellint

    label_set = load_label_set(spec)
    from_model = encoder.config.templates if encoder else ()
    chosen = choose_templates(templates, label_set.templates, from_model)
    languages = languages_of(encoder.config.architecture.text.vocab_size) if encoder else ENGLISH
    tokenizer = encoder.tokenizer if encoder else None
    findings = labellint.lint(label_set, chosen, tokenizer, languages)
    if encoder and max_similarity is not None:
        findings += labellint.similar_pairs(label_set, chosen, encoder.encode_texts, max_similarity)
    return findings


def _open_encoder(model: str | None, *, is_needed: bool) -> Encoder | None:
    """Open the model for its tokenizer; torch stays out until embeddings are asked for."""
    from clipcli.encoder.encoder import load_encoder

    try:
        return load_encoder(model)
    except ModelError as error:
        if model or is_needed:
            raise
        typer.echo(f"note: the length of prompts was not checked: {error.message}", err=True)
        return None
