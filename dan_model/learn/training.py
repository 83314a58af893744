"""Training on Hugging Face Accelerate: one process or many, on CPUs or GPUs, resumable at any step, bit for bit.

Nothing that is drawn depends on how far a process got: the order of an epoch and the augmentation of a step come from
the seed, the epoch and the step alone. So a state of weights, optimiser and averages is all that must be kept.
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
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dan_model.checkpoints import REFERENCE_FILE
from dan_model.config import ModelConfig
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError, TrainingError
from dan_model.learn.batches import Pixels, training_order
from dan_model.learn.evaluation import measure, predict
from dan_model.learn.objective import Objective, scale_attention
from dan_model.learn.recipes import Recipe
from dan_model.network import DAN

STATE, HISTORY, BEST = "state.pt", "history.json", "best"
CENTRES = "centres"  # in reference.safetensors
SAVE_EVERY = 200  # steps
CHECK_EVERY = 20  # steps between two looks at whether the loss is still finite

Told = Callable[[str], None]
Follow = Callable[[int, int, int], None]


def fresh_model(config: ModelConfig, recipe: Recipe) -> DAN:
    """An untrained network as the recipe starts it; the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = DAN(config.labels, config.num_heads, config.preprocess, config.provenance)
    scale_attention(model, recipe.attention_scale)
    return model


class Training:
    """One training, from its start or from where it was left.

    Args:
        model: The network to train; `fresh_model` or one to go on with.
        train: Training images.
        valid: Validation images; the best epoch of the last phase is chosen by its accuracy on them.
        recipe: How.
        out: Folder for the state, the best weights and the history; a state in it is gone on with.
        inside: How far each cell lies inside the face, (S, S); for recipes with `outside`.
        precision: no, bf16 or fp16: of Accelerate.
        cpu: Stay on the CPU though there is an accelerator.
        workers: Processes that decode images, where they are not kept in memory.

    A training may go on with another precision or on other processes, but then not bit for bit.

    Raises:
        ArgumentError: `out` holds the state of another recipe, network or training set.
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
        on_cpu = cpu or choose_device().type == "cpu"  # unasked, Accelerate lets no CPUs share
        self.accelerator = Accelerator(mixed_precision=precision, cpu=on_cpu, log_with="tensorboard", project_dir=out)
        device = self.accelerator.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            objective: torch.nn.Module = Objective(model, recipe, inside)
        if self.accelerator.num_processes > 1 and device.type == "cuda":
            objective = torch.nn.SyncBatchNorm.convert_sync_batchnorm(objective)
        objective = objective.to(device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(model, multi_avg_fn=_growing_average(recipe.ema), use_buffers=True)
        optimizer = _optimizer(objective, recipe)
        self.objective, self.optimizer = self.accelerator.prepare(objective, optimizer)
        self.epoch = self.step = 0  # of the epoch and in it: what comes next
        self.seconds = 0.0  # of training, over all runs
        # Of each term over the epoch's steps so far.
        self.sums: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=device))
        self.history: list[dict[str, Any]] = []
        if (out / STATE).is_file():
            self._load()

    @property
    def model(self) -> DAN:
        """The network as it is trained."""
        return self.accelerator.unwrap_model(self.objective).model

    @property
    def result(self) -> DAN:
        """The network as it is evaluated and saved: the average of its weights, where the recipe keeps one."""
        average: DAN = self.average.module  # type: ignore[assignment]
        return average if self.recipe.ema else self.model

    def run(
        self,
        told: Told = lambda line: None,
        follow: Follow = lambda epoch, step, steps: None,
        until: int | None = None,
    ) -> list[dict[str, Any]]:
        """Train to the end, or up to an epoch.

        Args:
            told: Gets a line after each epoch, on the main process.
            follow: Gets the epoch, counted from 1, the steps done in it and all its steps, after each.
            until: Stop before this epoch, counted from 0; for tests.

        Returns:
            The history: one entry for each epoch.

        Raises:
            TrainingError: The loss is not finite; the state before stays in `out`.
        """
        self.accelerator.init_trackers("logs")
        while self.epoch < min(self.recipe.epochs, until or self.recipe.epochs):
            entry = self._one_epoch(follow)
            logits, classes = predict(self.result, self.valid, self.recipe.size(self.epoch), self.workers)
            measured = measure(logits, classes, self.result.config.labels)
            entry |= {name: getattr(measured, name) for name in ("accuracy", "balanced_accuracy", "ece")}
            self.history.append(entry)
            self._keep_if_best()
            self.accelerator.log({k: v for k, v in entry.items() if isinstance(v, float)}, step=self.epoch)
            if self.accelerator.is_main_process:
                told(_line(entry, self.recipe.epochs))
            self.epoch, self.step = self.epoch + 1, 0
            self.sums.clear()
            self._save()
        for tracker in self.accelerator.trackers:
            tracker.finish()
        return self.history

    def _one_epoch(self, follow: Follow) -> dict[str, Any]:
        state, recipe = self.accelerator.state, self.recipe
        part, parts, size = state.process_index, state.num_processes, recipe.size(self.epoch)
        order = training_order(
            self.train.faces, recipe.sampling, recipe.batch_size, recipe.seed, self.epoch, part, parts
        )
        if self.step == 0 and self.epoch and size != recipe.size(self.epoch - 1):
            self.average.n_averaged.zero_()  # another input size, other statistics: the average begins anew
        start, first, before = time.perf_counter(), self.step, self.seconds
        self.objective.train()
        for pixels, targets in self.train.batches(order[first:], self.workers):
            rate = recipe.rate(self.epoch + self.step / len(order))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            generator = torch.Generator().manual_seed(hash((recipe.seed, self.epoch, self.step, part)) % 2**63)
            config = self.model.config.preprocess
            device = self.accelerator.device
            x = recipe.augmentation(pixels.to(device), size, config, generator)
            loss, terms = self.objective(x.contiguous(memory_format=torch.channels_last), targets.to(device))
            self.accelerator.backward(loss)
            if recipe.clip:
                self.accelerator.clip_grad_norm_(self.objective.parameters(), recipe.clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if recipe.ema:
                self.average.update_parameters(self.model)
            self.step += 1
            self.seconds = before + time.perf_counter() - start
            for name, term in {"loss": loss.detach(), **terms}.items():
                self.sums[name] += term
            if self.step % CHECK_EVERY == 0 or self.step == len(order):
                self._check("loss", self.accelerator.reduce(self.sums["loss"].clone()))
            if self.step % SAVE_EVERY == 0 and self.step < len(order):
                self._save()
            follow(self.epoch + 1, self.step, len(order))
        self._agree()
        return {
            "epoch": self.epoch + 1,
            "size": size,
            "rate": rate,
            **{name: float(self.accelerator.reduce(s.clone(), "mean")) / len(order) for name, s in self.sums.items()},
            "images_per_second": (len(order) - first) * recipe.batch_size / (self.seconds - before),
        }

    def _check(self, what: str, total: Tensor) -> None:
        if not math.isfinite(float(total)):
            raise TrainingError(
                f"The {what} is not finite in epoch {self.epoch + 1}, step {self.step}.",
                f"The last good state is in {self.out / STATE}. Start again from it with a lower rate, or clip.",
            )

    def _agree(self) -> None:
        """Give all processes the main one's statistics of normalisation: one network is measured and saved."""
        if self.accelerator.num_processes > 1:
            for buffer in (*self.model.buffers(), *self.average.buffers()):
                buffer.copy_(broadcast(buffer))

    def _keep_if_best(self) -> None:
        last_phase = self.recipe.epochs - self.recipe.phases[-1].epochs
        rivals = [entry["accuracy"] for entry in self.history[last_phase:-1]]
        if self.epoch < last_phase or not self.accelerator.is_main_process:
            return
        if not rivals or self.history[-1]["accuracy"] > max(rivals):
            self.result.save_pretrained(self.out / BEST)
            if self.recipe.affinity:
                centres = self.accelerator.unwrap_model(self.objective).centres.detach().cpu()
                save_file({CENTRES: centres.contiguous()}, self.out / BEST / REFERENCE_FILE)

    def _save(self) -> None:
        """Write the state aside and put it in place at once: a kill leaves the old one or the new one."""
        self._check("network", torch.stack([p.detach().float().sum() for p in self.model.parameters()]).sum())
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
        self.out.mkdir(parents=True, exist_ok=True)
        aside = self.out / f"{STATE}.part"
        torch.save(state, aside)
        aside.replace(self.out / STATE)
        (self.out / HISTORY).write_text(json.dumps(self.history, indent=1), encoding="utf-8")

    def _load(self) -> None:
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
        """What is trained on what, in words."""
        config, faces = self.model.config, self.train.faces
        return f"{config.num_heads} heads and {', '.join(config.labels)} on {len(faces):,} images of {faces.name}"


def _optimizer(objective: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters, decay = list(objective.parameters()), recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, recipe.lr, momentum=0.9, weight_decay=decay)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, recipe.lr, weight_decay=decay)


def _growing_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average whose memory grows to `decay`: the first weights do not weigh for ever."""

    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        weight = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for average, value in zip(averages, current, strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), weight)
            else:
                average.copy_(value)

    return update


def _line(entry: dict[str, Any], epochs: int) -> str:
    return (
        f"epoch {entry['epoch']}/{epochs} at {entry['size']} px: loss {entry['loss']:.3f}, validation accuracy "
        f"{entry['accuracy']:.4f}, balanced {entry['balanced_accuracy']:.4f}, {entry['images_per_second']:.0f} images/s"
    )
