"""`faithfulness`: measure every map over the faces of a dataset, as one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from dan_model.commands.options import Dataset, Device, Preset, Prior, Root, Split, Weights
from dan_model.commands.requests import available_requests
from dan_model.commands.sharing import last, shared_explainer
from dan_model.commands.terminal import errors, exit_on_error, make_folder
from dan_model.errors import ArgumentError, DanError, DiskError
from dan_model.explain import Explainer
from dan_model.explain.attributions import BASELINES
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import measure_faithfulness
from dan_model.explain.score import CONTRAST, LOG_PROBABILITY, SCORES
from dan_model.faces import read_image, template_face
from dan_model.files import write_text
from dan_model.learn.datasets import load_faces
from dan_model.network import TRAINING_PRIOR
from dan_model.show.archive import Archive, content_of, merge_together
from dan_model.show.faithfulness_table import markdown, summarise
from dan_model.show.report import numbers
from dan_model.version import __version__
from dan_model.weights import fingerprint

TABLE = "faithfulness"  # .json and .md, in the folder of results


def faithfulness(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help=f"Folder for numbers.jsonl, {TABLE}.json and {TABLE}.md; resumed.")],
    split: Split = "valid",
    count: Annotated[int, typer.Option(min=1, help="Number of faces, evenly spaced over the split.")] = 100,
    method: Annotated[list[str] | None, typer.Option(help="As for `explain`; default: all.")] = None,
    sensitivity_every: Annotated[
        int, typer.Option(min=0, help="Measure sensitivity on every n-th of these faces; 0: on none.")
    ] = 1,
    randomisation_every: Annotated[
        int, typer.Option(min=0, help="Run the parameter randomisation test on every n-th of them; 0: on none.")
    ] = 1,
    score: Annotated[
        str, typer.Option(help=f"What is explained of the predicted class: {', '.join(SCORES)} (with the runner-up).")
    ] = LOG_PROBABILITY,
    baseline: Annotated[str, typer.Option(help=f"What replaces patches: {', '.join(BASELINES)}.")] = "blur",
    prior: Prior = TRAINING_PRIOR,
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option(help="no, or bf16 for curves and infidelity of the faces without sensitivity.")
    ] = "no",
) -> None:
    """Measure faithfulness and parameter randomisation of every map over faces, each for the predicted class.

    The same command resumes a run that was killed. Several processes can share the work: torchrun -m …
    """
    # Check everything before the first face.
    with exit_on_error():
        explainer, state = shared_explainer(weights, preset, device)
        if precision not in ("no", "bf16"):
            raise ArgumentError(f"--precision {precision}: there is no such precision.", "Choose no or bf16.")
        for option, value, known in (("score", score, SCORES), ("baseline", baseline, BASELINES)):
            if value not in known:
                raise ArgumentError(f"--{option} {value}: there is no such {option}.", f"Choose: {', '.join(known)}.")
        explainer.network(prior)
        requests = available_requests(explainer, method or ["all"], fillings=[baseline])
        paths = load_faces(dataset, root, split).files
        if count > len(paths):
            raise ArgumentError(f"--count {count}: {split} has {len(paths)} faces.", "Give a smaller number.")
        make_folder(out)
        # Open the archive of earlier results, measured with the same options.
        methods, reference = [request.text for request in requests], explainer.reference
        options = {
            "weights": fingerprint(explainer.model), "reference": reference and reference.fingerprint,
            "dataset": dataset, "split": split, "count": count,
            "methods": methods, "sensitivity_every": sensitivity_every, "randomisation_every": randomisation_every,
            "precision": precision, "score": score, "baseline": baseline, "prior": prior, "version": __version__,
        }  # fmt: skip
        merge_together(out, state)
        archive = Archive(out, options, state.process_index)
        # Measure this process's part of the faces; those that fail are named, and the rest goes on.
        indices = np.linspace(0, len(paths) - 1, count).round().astype(int)
        chosen, failed = [paths[index] for index in indices], 0
        for i in range(state.process_index, count, state.num_processes):
            content = ""
            try:
                content = content_of(chosen[i])
                if archive.done_before(chosen[i], content):
                    continue
                with_sensitivity, with_randomisation = (
                    every > 0 and i % every == 0 for every in (sensitivity_every, randomisation_every)
                )
                half = precision == "bf16" and not with_sensitivity
                e = _explain(explainer, chosen[i], methods, score, prior)
                found = _measure(explainer, e, baseline, with_sensitivity, with_randomisation, half)
                archive.add(chosen[i], content, [], [found])
                typer.echo(f"{i + 1} of {count}: {chosen[i].name}: {found['prediction']['label']}")
            except DiskError:
                raise
            except (DanError, OSError) as error:
                failed += 1
                archive.add_failure(chosen[i], str(error), content)
                errors.print(f"{chosen[i]}: {error}", style="red", markup=False)
        # Put the results of all processes together, and write the table.
        merge_together(out, state)
        if state.is_main_process:
            _write_table(Archive(out, options), chosen, options, out)
        state.wait_for_everyone()  # a process that ends with an error would end the others
    if failed:
        raise typer.Exit(1)


def _explain(explainer: Explainer, path: Path, methods: list[str], score: str, prior: str) -> Explanation:
    """Explain a face of a dataset; a contrast is that of the predicted class with the runner-up."""
    photo = read_image(path)
    face = template_face(photo, explainer.model.config.preprocess)
    against = None
    if score == CONTRAST:
        probabilities = explainer.explain(photo, face=face, prior=prior).prediction.probabilities
        against = int(probabilities.argsort(descending=True)[1])
    return explainer.explain(photo, None, methods, face, against=against, score=score, prior=prior)


def _measure(
    explainer: Explainer,
    explanation: Explanation,
    baseline: str,
    with_sensitivity: bool,
    with_randomisation: bool,
    half: bool,
) -> dict[str, Any]:
    """The numbers of one face: explanation, faithfulness and, where wanted, parameter randomisation."""
    with torch.autocast(explainer.device.type, torch.bfloat16, enabled=half):
        measured = last(measure_faithfulness(explainer.task(explanation), explanation, with_sensitivity, baseline))
    randomised = last(explainer.randomisation(explanation)) if with_randomisation else None
    return numbers(explanation, measured, randomised)


def _write_table(archive: Archive, chosen: list[Path], options: dict[str, Any], out: Path) -> None:
    """Write the table over the chosen faces that were measured with these options, whatever else the folder holds."""
    entries = [archive.before(content_of(path)) for path in chosen if path.is_file()]
    faces = [face for entry in entries if entry is not None for face in entry["faces"]]
    if not faces:
        raise ArgumentError("No face could be measured.", "The reason for each one is above.")
    table = summarise(faces)
    write_text(out / f"{TABLE}.json", json.dumps(options | {"maps": table}, indent=1))
    write_text(out / f"{TABLE}.md", markdown(table))
    typer.echo(markdown(table))
