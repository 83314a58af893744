"""Training with Hugging Face Accelerate: in one process or many, on CPUs or GPUs, resumable at any step, bit for bit.

Random numbers depend only on the seed, the epoch and the step: the order of an epoch and the augmentation of a step are
the same after a restart. The saved state therefore needs only the weights, the optimizer and the averages.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from safetensors.torch import save
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dan_model.config import ModelConfig
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError, TrainingError
from dan_model.faces import to_input
from dan_model.files import replacing, write_bytes, write_text
from dan_model.learn.batches import Pixels, training_order
from dan_model.learn.curves import Curves
from dan_model.learn.evaluation import measure, predict
from dan_model.learn.moves import unmoved
from dan_model.learn.objective import Objective, scale_attention
from dan_model.learn.recipes import Recipe
from dan_model.network import DAN
from dan_model.weights import REFERENCE_FILE, write_checkpoint

STATE, HISTORY, BEST = "state.pt", "history.json", "best"
CENTRES = "centres"  # the tensor in reference.safetensors
SAVE_EVERY = 200  # steps between two saved states
CHECK_EVERY = 20  # steps between two checks that the loss is finite

OnProgress = Callable[[int, int, int], None]


def fresh_model(config: ModelConfig, recipe: Recipe) -> DAN:
    """An untrained network, initialised as the recipe says; the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = DAN(config.labels, config.num_heads, config.preprocess, config.provenance, config.class_prior)
    scale_attention(model, recipe.attention_scale)
    return model


class Training:
    """One training, from its start or from a saved state.

    A training may be resumed with another precision or another number of processes, but then not bit for bit.

    Args:
        model: The network to train: `fresh_model`, or one that is already trained.
        train: Training images.
        valid: Validation images; the best epoch of the last phase is chosen by its accuracy on them.
        recipe: The settings.
        out: Folder for the state, the best weights and the history. If it holds a state, training resumes from it.
        inside: The mask of the face in aligned crops, (S, S); needed for recipes with `outside`.
        precision: Accelerate's mixed precision: no, bf16 or fp16.
        cpu: Whether to use the CPU although there is an accelerator.
        workers: The number of processes that decode images, if these are not in memory.

    Raises:
        ArgumentError: `out` holds the state of a training with another recipe, network or training set.
    """

    def __init__(
        self,
        model: DAN,
        train: Pixels,
        valid: Pixels,
        recipe: Recipe,
        out: Path,
        inside: Tensor | None = None,
        precision: str = "no",
        cpu: bool = False,
        workers: int = 0,
    ) -> None:
        self.train, self.valid, self.recipe, self.out, self.workers = train, valid, recipe, out, workers
        # Processes and devices. Accelerate shares work among CPUs only with cpu=True.
        on_cpu = cpu or choose_device().type == "cpu"
        self.accelerator = Accelerator(mixed_precision=precision, cpu=on_cpu, log_with="tensorboard", project_dir=out)
        device = self.accelerator.device
        # The network with its losses, the moving average of its weights, and the optimizer.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            objective: torch.nn.Module = Objective(model, recipe, inside)
        if self.accelerator.num_processes > 1 and device.type == "cuda":
            objective = torch.nn.SyncBatchNorm.convert_sync_batchnorm(objective)
        objective = objective.to(device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(model, multi_avg_fn=_growing_average(recipe.ema), use_buffers=True)
        optimizer = _optimizer(objective, recipe)
        self.objective, self.optimizer = self.accelerator.prepare(objective, optimizer)
        # How far the training is.
        self.epoch = self.step = 0  # the next epoch, and the next step in it
        self.seconds = 0.0  # time spent in training steps, over all runs
        # The sum of each term of the loss over the steps of the current epoch.
        self.sums: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))
        self.history: list[dict[str, Any]] = []
        if (out / STATE).is_file():
            self._load()

    @property
    def model(self) -> DAN:
        """The network that is trained."""
        return self.accelerator.unwrap_model(self.objective).model

    @property
    def result(self) -> DAN:
        """The network that is evaluated and saved: with the average of its weights if the recipe has one."""
        average: DAN = self.average.module  # type: ignore[assignment]
        return average if self.recipe.ema else self.model

    def run(
        self,
        report: Callable[[str], None] = lambda line: None,
        on_progress: OnProgress = lambda epoch, step, steps: None,
        until: int | None = None,
    ) -> list[dict[str, Any]]:
        """Train to the end, or up to an epoch.

        Args:
            report: Called with a line of text after each epoch, in the main process.
            on_progress: Called after each step with the epoch, counted from 1, the number of steps done in it, and the
                number of its steps.
            until: Stop before this epoch, counted from 0; for tests.

        Returns:
            The history: one entry for each epoch.

        Raises:
            TrainingError: The loss is not finite; the last state before stays in `out`.
        """
        curves = Curves(self.accelerator, report if self.accelerator.is_main_process else lambda line: None)
        while self.epoch < min(self.recipe.epochs, until or self.recipe.epochs):
            # Train for one epoch and evaluate.
            entry = self._one_epoch(on_progress)
            logits, classes = predict(self.result, self.valid, self.recipe.size(self.epoch), self.workers)
            measured = measure(logits, classes, self.result.config.labels)
            entry |= {name: getattr(measured, name) for name in ("accuracy", "balanced_accuracy", "ece")}
            # Save the weights if they are the best so far, and report.
            self.history.append(entry)
            self._save_if_best()
            curves.add(entry, self.epoch)
            if self.accelerator.is_main_process:
                report(_summary(entry, self.recipe.epochs))
            # Save the state at the start of the next epoch.
            self.epoch, self.step = self.epoch + 1, 0
            self.sums.clear()
            self._save()
        curves.finish()
        return self.history

    def _one_epoch(self, on_progress: OnProgress) -> dict[str, Any]:
        """Train for the rest of the current epoch; the entry for the history without the validation metrics."""
        # The batches of this process; those before the current step are done.
        state, recipe = self.accelerator.state, self.recipe
        part, parts, size = state.process_index, state.num_processes, recipe.size(self.epoch)
        order = training_order(
            self.train.faces, recipe.sampling, recipe.batch_size, recipe.seed, self.epoch, part, parts
        )
        if self.step == 0 and self.epoch and size != recipe.size(self.epoch - 1):
            self.average.n_averaged.zero_()  # with another input size the statistics change: restart the average
        start, first, before = time.perf_counter(), self.step, self.seconds
        self.objective.train()
        for pixels, targets in self.train.batches(order[first:], self.workers):
            # Learning rate and augmentation, by the position in the training.
            rate = recipe.rate(self.epoch + self.step / len(order))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            generator = torch.Generator().manual_seed(hash((recipe.seed, self.epoch, self.step, part)) % 2**63)
            config = self.model.config.preprocess
            device = self.accelerator.device
            pixels, targets = pixels.to(device), targets.to(device)
            x, theta = recipe.augmentation.with_moves(pixels, size, config, generator)  # (B, 3, size, size)
            if recipe.follow:  # the same faces before they were moved
                x = torch.cat([x, to_input(pixels, config, size)])
                theta, targets = torch.cat([theta, unmoved(len(pixels)).to(theta)]), targets.repeat(2, 1)
            # One step of the optimizer, and of the average of the weights.
            loss, terms = self.objective(x.contiguous(memory_format=torch.channels_last), targets, theta)
            self.accelerator.backward(loss)
            if recipe.clip:
                self.accelerator.clip_grad_norm_(self.objective.parameters(), recipe.clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if recipe.ema:
                self.average.update_parameters(self.model)
            # Bookkeeping: sums of the terms, checks, the saved state.
            self.step += 1
            self.seconds = before + time.perf_counter() - start
            for name, term in {"loss": loss.detach(), **terms}.items():
                self.sums[name] += term
            if self.step % CHECK_EVERY == 0 or self.step == len(order):
                self._check_finite("loss", self.accelerator.reduce(self.sums["loss"].clone()))
            if self.step % SAVE_EVERY == 0 and self.step < len(order):
                self._save()
            on_progress(self.epoch + 1, self.step, len(order))
        # The epoch is done: the mean of each term over all steps and processes.
        self._synchronise_buffers()
        return {
            "epoch": self.epoch + 1,
            "size": size,
            "rate": rate,
            **{name: float(self.accelerator.reduce(s.clone(), "mean")) / len(order) for name, s in self.sums.items()},
            "images_per_second": (len(order) - first) * recipe.batch_size / (self.seconds - before),
        }

    def _check_finite(self, name: str, total: Tensor) -> None:
        if not math.isfinite(float(total)):
            raise TrainingError(
                f"The {name} is not finite in epoch {self.epoch + 1}, step {self.step}.",
                f"The last valid state is in {self.out / STATE}. Resume from it with a lower rate, or clip.",
            )

    def _synchronise_buffers(self) -> None:
        """Copy the main process's normalisation statistics to all processes, so that all evaluate the same network."""
        if self.accelerator.num_processes > 1:
            for buffer in (*self.model.buffers(), *self.average.buffers()):
                buffer.copy_(broadcast(buffer))

    def _save_if_best(self) -> None:
        """Save the weights if this epoch has the highest validation accuracy of the last phase so far."""
        last_phase = self.recipe.epochs - self.recipe.phases[-1].epochs  # its first epoch
        earlier = [entry["accuracy"] for entry in self.history[last_phase:-1]]
        if self.epoch < last_phase or not self.accelerator.is_main_process:
            return
        if not earlier or self.history[-1]["accuracy"] > max(earlier):
            write_checkpoint(self.result, self.out / BEST)
            if self.recipe.affinity:
                centres = self.accelerator.unwrap_model(self.objective).centres.detach().cpu()
                write_bytes(self.out / BEST / REFERENCE_FILE, save({CENTRES: centres.contiguous()}))

    def _save(self) -> None:
        """Save the state: a killed process leaves either the old or the new one."""
        self._check_finite("network", torch.stack([p.detach().float().sum() for p in self.model.parameters()]).sum())
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        state = {
            "recipe": asdict(self.recipe),
            "subject": self._subject(),
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "objective": self.accelerator.unwrap_model(self.objective).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
            "sums": dict(self.sums),
            "seconds": self.seconds,
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else None,
        }
        with replacing(self.out / STATE) as part, part.open("wb") as file:
            torch.save(state, file)
        write_text(self.out / HISTORY, json.dumps(self.history, indent=1))

    def _load(self) -> None:
        """Resume from the saved state.

        Raises:
            ArgumentError: It belongs to a training with another recipe, network or training set.
        """
        state = torch.load(self.out / STATE, map_location="cpu", weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ArgumentError(f"{self.out} holds a training with another recipe.", "Give another folder.")
        if state["subject"] != self._subject():
            raise ArgumentError(
                f"{self.out} holds a training of {state['subject']}; this one is of {self._subject()}.",
                "Give another folder.",
            )
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]
        self.seconds = state["seconds"]
        self.accelerator.unwrap_model(self.objective).load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state_dict(state["average"])
        self.sums.update({name: total.to(self.accelerator.device) for name, total in state["sums"].items()})
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])

    def _subject(self) -> str:
        """The network and the training set in words, to recognise the state of another training."""
        config, faces = self.model.config, self.train.faces
        return f"{config.num_heads} heads and {', '.join(config.labels)} on {len(faces):,} images of {faces.name}"


def _optimizer(objective: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters, decay = list(objective.parameters()), recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, recipe.lr, momentum=0.9, weight_decay=decay)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, recipe.lr, weight_decay=decay)


def _growing_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average whose decay grows to `decay`, so that the first weights are soon forgotten."""

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        weight = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), weight)
            else:
                average.copy_(value)

    return update


def _summary(entry: dict[str, Any], epochs: int) -> str:
    """An epoch of the history as a line of text."""
    return (
        f"epoch {entry['epoch']}/{epochs} at {entry['size']} px: loss {entry['loss']:.3f}, validation accuracy "
        f"{entry['accuracy']:.4f}, balanced {entry['balanced_accuracy']:.4f}, {entry['images_per_second']:.0f} images/s"
    )
