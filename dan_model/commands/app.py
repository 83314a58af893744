"""The command line application: `python -m dan_model COMMAND`.

Exit codes: 0 all done, 1 some images failed, 2 nothing could start, or nothing more be written.
"""

from __future__ import annotations

import typer

from dan_model.commands.datasets import align, averages, template
from dan_model.commands.evaluate import evaluate
from dan_model.commands.examples import examples
from dan_model.commands.explain import explain
from dan_model.commands.export import export
from dan_model.commands.faithfulness import faithfulness
from dan_model.commands.reference import reference
from dan_model.commands.train import train
from dan_model.commands.weights import import_weights, push
from dan_model.commands.worksheet import write_worksheet

app = typer.Typer(
    help="DAN Explorer: what the attention heads of DAN attend to, and how their fusion decides.", no_args_is_help=True
)
for command in (explain, faithfulness, evaluate, train, reference, align, averages, examples, template, export, push):
    app.command()(command)
app.command("import")(import_weights)
app.command("worksheet")(write_worksheet)
