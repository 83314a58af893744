"""`align`, `averages` and `template`: prepare the faces of a dataset."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.progress import Progress, track

from dan_model.commands.options import Dataset, Root, Split
from dan_model.commands.terminal import errors, exit_on_error, make_folder, print_notes
from dan_model.config import PreprocessConfig
from dan_model.devices import sharing_processes
from dan_model.errors import ArgumentError, DanError, DiskError, ImageError, NoFaceError
from dan_model.faces import FaceDetector, average_face, image_files, median_template, only_face, others_note, read_image
from dan_model.files import replacing, write_bytes
from dan_model.learn.datasets import copy_tables, load_faces
from dan_model.learn.layouts.ferplus import VOTES
from dan_model.learn.unreadable import MOST_UNREADABLE, Unreadable
from dan_model.weights import load_checkpoint

JPEG_QUALITY = 95


def align(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for the aligned copy, in the same layout.")],
    split: Split = "train",
    weights: Annotated[
        str | None, typer.Option(help="Weights with the landmark template; default: the embedded weights.")
    ] = None,
) -> None:
    """Copy a dataset with every face aligned like an upload; an image without exactly one face is copied unchanged.

    Files that exist are not made again. Several processes can share the work: torchrun -m dan_model align …
    """
    # Check everything before the first image.
    with exit_on_error():
        preprocess = load_checkpoint(weights).model.config.preprocess
        if preprocess.landmark_template is None:
            raise ArgumentError("These weights have no landmark template.", "Take others, or see `template`.")
        if out.resolve().is_relative_to(root.resolve()):
            raise ArgumentError(f"--out {out} lies in {root}, which is copied there.", "Give a folder outside.")
        state = sharing_processes("cpu")
        faces = load_faces(dataset, root, split, VOTES)
        make_folder(out)
        if state.is_main_process:
            print_notes(faces.notes)
            copy_tables(root, out)
        # Align this process's part of the images.
        own, detector, aligned = faces.files[state.process_index :: state.num_processes], FaceDetector(), 0
        failed, unreadable = 0, 0
        for path in track(own, description="Aligning", console=errors, disable=not errors.is_terminal):
            copy = out / path.relative_to(root)
            if copy.is_file():
                continue
            try:
                aligned += _copy_aligned(path, copy, detector, preprocess)
            except DiskError:
                raise
            except ImageError as error:
                unreadable += 1
                print_notes([f"{path}: {error} It is copied as it is."])
                write_bytes(copy, path.read_bytes())
            except (DanError, OSError) as error:
                failed += 1
                errors.print(f"{path}: {error}", style="red", markup=False)
        state.wait_for_everyone()  # a process that ends with an error would end the others
    typer.echo(f"{out}: {aligned} of {len(own)} images aligned, the others copied or there before")
    if unreadable:
        print_notes([f"{unreadable} of {len(own)} images cannot be read."])
    if failed:
        errors.print(f"{failed} of {len(own)} images failed.", style="red")
    if failed or unreadable > MOST_UNREADABLE * len(own):
        raise typer.Exit(1)


def averages(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for one picture of each class.")],
    split: Split = "train",
    most: Annotated[int, typer.Option(min=2, help="Largest number of faces per class.")] = 400,
) -> None:
    """Average the aligned faces of each class, as the embedded weights see them: examples that show no real person."""
    with exit_on_error():
        preprocess = load_checkpoint().model.config.preprocess
        faces, detector = load_faces(dataset, root, split), FaceDetector()
        left_out = Unreadable(faces.name, len(faces))
        make_folder(out)
        with Progress(console=errors, disable=not errors.is_terminal) as progress:
            for k, label in enumerate(faces.labels):
                paths = [path for path, c in zip(faces.paths, faces.classes.tolist(), strict=True) if c == k][:most]
                photos = left_out.images(progress.track(paths, description=label))
                try:
                    average, count = average_face(photos, detector, preprocess)
                except NoFaceError:
                    typer.echo(f"{label}: no face was found in {len(paths)} images, so there is no average")
                    continue
                with replacing(out / f"mean_{label}.png") as part:
                    Image.fromarray(average).save(part)
                typer.echo(f"{out / f'mean_{label}.png'}: {count} faces")
        print_notes(faces.notes + left_out.notes)


def template(
    folder: Annotated[Path, typer.Argument(help="Folder with cropped training faces, at any depth.")],
    every: Annotated[int, typer.Option(min=1, help="Take every n-th file only.")] = 1,
) -> None:
    """Derive a landmark template from the faces of a training set, for `preprocess` in config.json."""
    with exit_on_error():
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is no folder.", "Give a folder with cropped training faces.")
        images, others = image_files(folder)
        paths = images[::every]
        left_out = Unreadable(str(folder), len(paths))
        photos = left_out.images(track(paths, console=errors, disable=not errors.is_terminal))
        found, count = median_template(photos, FaceDetector())
        print_notes(others_note(folder, others) + left_out.notes)
        typer.echo(json.dumps({"landmark_template": asdict(found), "faces": count, "files": len(paths)}, indent=2))


def _copy_aligned(path: Path, copy: Path, detector: FaceDetector, preprocess: PreprocessConfig) -> bool:
    """Write an aligned copy of an image, or the image itself; a kill leaves the whole file or none.

    Returns:
        Whether it was aligned.
    """
    crop = only_face(read_image(path), detector, preprocess)
    if crop is None:
        write_bytes(copy, path.read_bytes())
    else:
        with replacing(copy) as part:
            Image.fromarray(crop.pixels).save(part, quality=JPEG_QUALITY)
    return crop is not None
