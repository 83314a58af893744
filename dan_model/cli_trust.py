"""The command line's `trust`: whether maps deserve trust, over the faces of a dataset."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from dan_model.cli_options import Dataset, Device, Preset, Root, Split, Weights
from dan_model.devices import sharing_processes
from dan_model.errors import ArgumentError, DanError
from dan_model.explain.attributions import METHODS, parse_all
from dan_model.explain.explainer import Explainer
from dan_model.faces import template_face
from dan_model.images import read_image
from dan_model.learn.datasets import load_faces
from dan_model.show.archive import Archive, content_of, fingerprint, merge_together
from dan_model.show.report import numbers
from dan_model.show.trust_table import markdown, summarise
from dan_model.terminal import errors, exit_on_error, make_folder
from dan_model.version import __version__

TABLE = "trust"  # .json and .md, in the folder of results


def trust(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for numbers.jsonl, trust.json and trust.md; gone on with.")],
    split: Split = "valid",
    count: Annotated[int, typer.Option(min=1, help="How many faces, evenly spaced over the split.")] = 100,
    method: Annotated[list[str] | None, typer.Option(help="As for `explain`; default: all.")] = None,
    sensitivity_every: Annotated[
        int, typer.Option(min=0, help="Measure sensitivity on every n-th of these faces; 0: on none.")
    ] = 1,
    sanity_every: Annotated[
        int, typer.Option(min=0, help="Randomise the network for every n-th of these faces; 0: for none.")
    ] = 1,
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="no, or bf16 for the passes of curves and infidelity where no sensitivity is measured.")
    ] = "no",
) -> None:
    """Measure faithfulness and sanity of every map over a dataset's faces, each explained for the predicted class.

    A run that was killed goes on with the same command. Many processes share it under: torchrun -m …
    """
    with exit_on_error():
        state = sharing_processes(device)
        explainer = Explainer.from_pretrained(weights, preset, device)
        if state.num_processes > 1:
            explainer.model.to(state.device)
        if precision not in ("no", "bf16"):
            raise ArgumentError(f"--precision {precision}: there is no such precision.", "Choose no or bf16.")
        requests = parse_all(method or list(METHODS))
        asked = [request.text for request in requests]
        template = explainer.model.config.preprocess.landmark_template
        if template is None and any(METHODS[request.method].regions for request in requests):
            raise ArgumentError(
                "These weights have no landmark template: where regions lie is not known.",
                "Name methods without regions: --method …",
            )
        paths = load_faces(dataset, root, split).paths
        if count > len(paths):
            raise ArgumentError(f"--count {count}: {split} has {len(paths)} faces.", "Give less.")
        make_folder(out)
        places = np.linspace(0, len(paths) - 1, count).round().astype(int)
        told = {
            "weights": fingerprint(explainer.model), "dataset": dataset, "split": split, "count": count,
            "methods": asked, "sensitivity_every": sensitivity_every, "sanity_every": sanity_every,
            "precision": precision, "version": __version__,
        }  # fmt: skip
        merge_together(out, state)
        archive = Archive(out, told, state.process_index)
        chosen, failed = [paths[place] for place in places], 0
        for i in range(state.process_index, count, state.num_processes):
            try:
                content = content_of(chosen[i])
                if archive.done_before(chosen[i], content):
                    continue
                photo = read_image(chosen[i])
                face = template_face(photo, explainer.model.config.preprocess)
                explanation = explainer.explain(photo, None, asked, face)
                sensitive, shake = (every > 0 and i % every == 0 for every in (sensitivity_every, sanity_every))
                half = precision == "bf16" and not sensitive
                with torch.autocast(explainer.device.type, torch.bfloat16, enabled=half):
                    judged = deque(explainer.faithfulness(explanation, sensitive), maxlen=1).pop()
                shaken = deque(explainer.sanity(explanation), maxlen=1).pop() if shake else None
                archive.add(chosen[i], content, [], [numbers(explanation, judged, shaken)])
                typer.echo(f"{i + 1} of {count}: {chosen[i].name}: {explanation.prediction.label}")
            except (DanError, OSError) as error:
                failed += 1
                archive.add_failure(chosen[i], str(error))
                errors.print(f"{chosen[i]}: {error}", style="red", markup=False)
        merge_together(out, state)
        if state.is_main_process:
            _write_table(Archive(out, told), chosen, told, out)
        state.wait_for_everyone()  # a process that ends with an error takes the others with it
    if failed:
        raise typer.Exit(1)


def _write_table(archive: Archive, chosen: list[Path], told: dict[str, Any], out: Path) -> None:
    """The table over the chosen faces that were measured alike, whatever else lies in the folder."""
    entries = [archive.before(content_of(path)) for path in chosen if path.is_file()]
    faces = [face for entry in entries if entry is not None for face in entry["faces"]]
    if not faces:
        raise ArgumentError("No face could be measured.", "See above for each one's reason.")
    table = summarise(faces)
    (out / f"{TABLE}.json").write_text(json.dumps(told | {"maps": table}, indent=1), encoding="utf-8")
    (out / f"{TABLE}.md").write_text(markdown(table), encoding="utf-8")
    typer.echo(markdown(table))
