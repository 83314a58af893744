"""Images as batches: what is decoded, in which order, and by which process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError
from dan_model.faces import to_input, to_tensor
from dan_model.learn.batches import Pixels, class_prior, evaluation_order, training_order
from dan_model.learn.datasets import load_faces
from dan_model.learn.face_set import FaceSet


def test_images_are_decoded_like_an_upload(tmp_path):
    """The same pixels whether kept or decoded one by one, and the same input as the page makes of the same crop."""
    generator = np.random.default_rng(0)
    paths = []
    for n in range(5):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(generator.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(paths[-1])
    faces = FaceSet("some", ("a", "b"), tuple(paths), torch.eye(2)[[0, 1, 0, 1, 0]])
    config = PreprocessConfig(detail_size=40, grayscale=True, image_size=64)
    kept, lazy = Pixels(faces, config), Pixels(faces, config, memory=0)
    assert kept.decoded is not None
    assert lazy.decoded is None
    groups = [[3, 1], [0, 4]]
    for (one, targets), (other, others) in zip(kept.batches(groups), lazy.batches(groups), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(targets, others)
    pixels = np.asarray(Image.open(paths[3]))
    first = next(kept.batches(groups))[0][:1]
    torch.testing.assert_close(to_input(first, config), to_tensor(pixels, config))
    paths[2].write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"2\.png cannot be read"):
        Pixels(faces, config)


def some_faces(counts: list[int]) -> FaceSet:
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    targets = torch.nn.functional.one_hot(classes, len(counts)).float()
    return FaceSet("some", tuple("abc"[: len(counts)]), tuple(Path(str(i)) for i in range(len(classes))), targets)


def test_an_epoch_has_every_image_once_and_processes_share_it():
    faces = some_faces([60, 40])
    whole = training_order(faces, 0, 20, seed=1, epoch=0)
    assert sorted(i for batch in whole for i in batch) == list(range(100))
    assert whole == training_order(faces, 0, 20, seed=1, epoch=0)
    assert whole != training_order(faces, 0, 20, seed=1, epoch=1)
    parts = [training_order(faces, 0, 20, 1, 0, part, 2) for part in (0, 1)]
    for batch, one, other in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted([*one, *other])
    with pytest.raises(DatasetError, match="100 images, too few for a batch of 128"):
        training_order(faces, 0, 128, 0, 0)


def test_rare_classes_are_drawn_more_often():
    faces = some_faces([9000, 1000])
    for sampling, part in ((1.0, 0.5), (0.5, 0.25)):  # 1000^(1-s) against 9000^(1-s): 1 to 1, and 1 to 3
        drawn = [i for batch in training_order(faces, sampling, 100, 0, 0) for i in batch]
        assert sum(i >= 9000 for i in drawn) / len(drawn) == pytest.approx(part, abs=0.02)


def test_evaluation_has_every_image_once_over_any_number_of_processes():
    for parts in (1, 2, 3, 7):
        orders = [evaluation_order(20, 4, part, parts) for part in range(parts)]
        assert sorted(i for order in orders for batch in order for i in batch) == list(range(20))
        assert max(len(batch) for order in orders for batch in order) <= 4


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_decoded_any_more_is_refused_by_name(ferplus, workers):
    faces = load_faces("ferplus", ferplus, "train")
    pixels = Pixels(faces, PreprocessConfig(detail_size=48), memory=0)
    faces.paths[1].write_text("no image")
    with pytest.raises(DatasetError) as refused:
        list(pixels.batches([[0, 1]], workers))
    assert str(refused.value).startswith(f"{faces.paths[1]} cannot be read any more: {faces.paths[1].name} is not an")
    assert str(refused.value).endswith("Check the disk, then resume.")


def test_fewer_than_two_images_per_process_are_refused(ferplus):
    with pytest.raises(DatasetError, match="batch of 4 is too small for 3 processes"):
        training_order(load_faces("ferplus", ferplus, "train"), 0, 4, 0, 0, part=0, parts=3)


def test_the_class_prior_is_that_of_the_images_as_they_are_drawn():
    """Four images of a, one of b with a fifth of its votes for a; with sampling 1, both classes are drawn equally."""
    targets = torch.tensor([[1.0, 0.0]] * 4 + [[0.2, 0.8]])
    faces = FaceSet("some", ("a", "b"), tuple(Path(str(i)) for i in range(5)), targets)
    assert class_prior(faces, 0) == pytest.approx((4.2 / 5, 0.8 / 5))
    assert class_prior(faces, 1) == pytest.approx((0.5 + 0.5 * 0.2, 0.5 * 0.8))
    drawn = torch.tensor([i for epoch in range(200) for batch in training_order(faces, 1, 5, 0, epoch) for i in batch])
    assert targets[drawn].mean(dim=0).tolist() == pytest.approx(class_prior(faces, 1), abs=0.05)
    assert class_prior(FaceSet("one", ("a", "b"), faces.paths[:1], targets[:1]), 0) is None
