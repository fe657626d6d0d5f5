"""The training loop: steps, evaluations on held-out examples, checkpoints, and an orderly end whatever happens.

The result is the weights with the best held-out score, the initial ones included: training can fail to help, but not do harm. A step is a
function of the weights, the optimiser's moments and its number alone, so a training that continues from a checkpoint gives the same result
as one that was never interrupted.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from edgeemb.errors import TrainingError, first_line
from edgeemb.quiet import quiet
from edgeemb.torch_tables.trainable import TrainableTable
from edgeemb.training.loop.checkpoint import State, read_checkpoint, write_checkpoint
from edgeemb.training.loop.group import Group
from edgeemb.training.loop.task import Report, Task, Watch, unwatched
from edgeemb.training.settings import RunSettings
from edgeemb.training.texts import Order

# Its schedules are in a module that imports whatever else it finds installed.
with quiet():
    from transformers import get_scheduler


@dataclass
class _Course:
    """What changes during training, apart from weights and moments."""

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    stale: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    :param best: the best held-out score.
    :param best_step: the step it was reached at; 0 is the start.
    :param steps: steps made.
    :param history: per look the step, the score, the mean loss and the tokens a second.
    """

    best: float
    best_step: int
    steps: int
    history: list[dict[str, Any]]


def train(
    task: Task,
    settings: RunSettings,
    *,
    checkpoint: Path | None = None,
    identity: Mapping[str, str] | None = None,
    resume: bool = False,
    group: Group | None = None,
    watch: Watch = unwatched,
) -> Outcome:
    """Train a task's module in place, and leave it with its best weights.

    :param task: what to learn.
    :param settings: how.
    :param checkpoint: folder of the checkpoint, or None for none.
    :param identity: what the training is of, for the checkpoint.
    :param resume: go on from the checkpoint.
    :param group: the processes that train together; None if there is only this one.
    :param watch: told after every step.
    :raises TrainingError: if it is interrupted, diverges, or the checkpoint cannot be used.
    """
    group = group or Group()
    run = _Run(task, settings, group, checkpoint, identity or {})
    if resume:
        run.resume()
    with _interruptible() as interrupted:
        return run.steps(interrupted, watch)


class _Run:
    """One training: the state that its steps share."""

    def __init__(
        self,
        task: Task,
        settings: RunSettings,
        group: Group,
        checkpoint: Path | None,
        identity: Mapping[str, str],
    ) -> None:
        self.task, self.settings, self.group = task, settings, group
        self.checkpoint, self.identity = checkpoint, identity
        self.learning = {
            name: parameter for name, parameter in task.module.named_parameters() if parameter.requires_grad
        }
        if not self.learning:
            raise TrainingError("nothing is left to learn: the body is frozen and no table was given")
        self.optimizer = _optimizer(task.module, self.learning, settings)
        warm = round(settings.warmup * settings.steps)
        scheduler = get_scheduler(settings.schedule, self.optimizer, warm, settings.steps)
        self.fraction: Callable[[int], float] = scheduler.lr_lambdas[0]
        self.order = Order(task.lengths.tolist(), settings.batch, settings.seed)
        self.course = _Course()

    def steps(self, interrupted: Callable[[], bool], watch: Watch) -> Outcome:
        """Every step that is left, and the best weights at the end."""
        course, settings = self.course, self.settings
        forward = self.group.wrap(self.task.module)
        if course.step == 0:
            self._look(math.nan, 0.0)
        tokens, spent, losses, counted = 0.0, 0.0, 0.0, 0
        while course.step < settings.steps and not self._is_stale():
            begun = time.perf_counter()
            loss, seen, stop = self._step(forward, interrupted)
            tokens, losses, counted = tokens + seen, losses + loss, counted + 1
            spent += time.perf_counter() - begun
            rate, mean, score = tokens / spent, losses / counted, None
            if course.step % settings.evaluate_every == 0 or course.step == settings.steps:
                score = self._look(mean, rate)
                tokens, spent, losses, counted = 0.0, 0.0, 0.0, 0
            watch(Report(course.step, settings.steps, mean, rate, score, course.best))
            if stop or course.step % settings.checkpoint_every == 0 or course.step == settings.steps:
                self._write()
            if stop and course.step < settings.steps:
                where = (
                    f"continue it from {self.checkpoint} with resume=True"
                    if self.checkpoint
                    else "no checkpoint was asked for"
                )
                raise TrainingError(f"interrupted at step {course.step} of {settings.steps}: {where}")
        with torch.no_grad():
            # Processes that do not lead have nothing to give back.
            for name, value in course.kept.items():
                self.learning[name].copy_(value)
        return Outcome(course.best, course.best_step, course.step, course.history)

    def _step(self, forward: nn.Module, interrupted: Callable[[], bool]) -> tuple[float, float, bool]:
        """One update. Returns the mean loss, the tokens of all processes, and whether a stop was requested."""
        course = self.course
        for part in self.optimizer.param_groups:
            part["lr"] = part["peak"] * self.fraction(course.step + 1)
        index = self.group.share(self.order.at(course.step))
        # What a task draws depends on the step alone, so that it is the same after a resume.
        torch.manual_seed(self.settings.seed * 1_000_003 + course.step)
        loss = self.task.loss(forward, index)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.learning.values(), self.settings.clip)
        tokens = float(self.task.lengths[index].sum())
        told = torch.tensor(
            [float(loss.detach()), float(norm), tokens, float(interrupted())], dtype=torch.float64
        )
        mean, sum_norm, tokens, stop = self.group.total(told).tolist()
        if not (math.isfinite(mean) and math.isfinite(sum_norm)):
            raise TrainingError(
                f"the loss is {mean:g} at step {course.step + 1}: {self._kept()}; use a smaller `lr`"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        course.step += 1
        return mean / self.group.size, tokens, stop > 0

    def _kept(self) -> str:
        if self.checkpoint is None or not self.checkpoint.exists():
            return "there is no checkpoint yet"
        return f"the last good checkpoint is kept in {self.checkpoint}"

    def _is_stale(self) -> bool:
        """Whether the held-out score has not risen for as long as the settings allow."""
        stale = torch.tensor([float(self.course.stale)], dtype=torch.float64)
        # Only the process that leads looks at the held-out texts.
        return bool(self.settings.patience and self.group.total(stale).item() >= self.settings.patience)

    def _look(self, loss: float, rate: float) -> float | None:
        course = self.course
        if not self.group.leads:
            # Weights are the same in all processes: each keeps the newest, and the one that leads writes its own.
            return None
        self.task.module.eval()
        score = self.task.score()
        if math.isnan(score):
            raise TrainingError(f"the held-out score is not a number at step {course.step}: {self._kept()}")
        course.stale = 0 if score > course.best else course.stale + 1
        # Of equals the later one: it has seen more.
        if score >= course.best:
            course.best, course.best_step = score, course.step
            course.kept = {name: value.detach().clone() for name, value in self.learning.items()}
        entry = {"step": course.step, "score": score}
        if not math.isnan(loss):
            entry |= {"loss": loss, "tokens_per_second": round(rate)}
        course.history.append(entry)
        return score

    def _write(self) -> None:
        if self.checkpoint is None or not self.group.leads:
            return
        tensors = {f"now/{name}": value.detach().cpu() for name, value in self.learning.items()}
        tensors |= {f"best/{name}": value.cpu() for name, value in self.course.kept.items()}
        for name, parameter in self.learning.items():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{key}/{name}"] = value.cpu()
        best = {"score": self.course.best, "step": self.course.best_step, "stale": self.course.stale}
        write_checkpoint(
            self.checkpoint, State(self.course.step, tensors, best, self.course.history), self.identity
        )

    def resume(self) -> None:
        """Take up the training where the checkpoint left it.

        :raises TrainingError: if there is none, or it does not fit.
        """
        if self.checkpoint is None:
            raise TrainingError("there is nothing to resume from: name the checkpoint")
        state = read_checkpoint(self.checkpoint, self.identity)
        wanted = {f"{part}/{name}" for part in ("now", "best") for name in self.learning}
        missing = sorted(wanted - set(state.tensors))
        if missing:
            raise TrainingError(
                f"the checkpoint {self.checkpoint} lacks {missing[0]}: it belongs to another model, train again"
            )
        moments = ("exp_avg", "exp_avg_sq", "step")
        try:
            with torch.no_grad():
                for name, parameter in self.learning.items():
                    parameter.copy_(state.tensors[f"now/{name}"])
                    self.course.kept[name] = (
                        state.tensors[f"best/{name}"].to(parameter.device).view_as(parameter)
                    )
                    held = {
                        key: state.tensors[f"{key}/{name}"]
                        for key in moments
                        if f"{key}/{name}" in state.tensors
                    }
                    if held:
                        self.optimizer.state[parameter] = {
                            key: value if key == "step" else value.to(parameter.device).view_as(parameter)
                            for key, value in held.items()
                        }
            self.course.step, self.course.history = state.step, state.history
            self.course.best, self.course.best_step = float(state.best["score"]), int(state.best["step"])
            self.course.stale = int(state.best["stale"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"the checkpoint {self.checkpoint} does not fit the model ({first_line(error)}): train again"
            ) from error


def _optimizer(
    module: nn.Module, learning: Mapping[str, nn.Parameter], settings: RunSettings
) -> torch.optim.AdamW:
    """AdamW in three groups: tables, matrices of the body, and its vectors, which do not decay."""
    tables = [name for name, part in module.named_modules() if isinstance(part, TrainableTable)]
    groups: dict[str, list[nn.Parameter]] = {"table": [], "matrix": [], "vector": []}
    for name, parameter in learning.items():
        inside = any(name.startswith(f"{table}.") for table in tables)
        groups["table" if inside else "matrix" if parameter.ndim > 1 else "vector"].append(parameter)
    rates = {"table": settings.table_lr, "matrix": settings.lr, "vector": settings.lr}
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": rates[kind],
                "peak": rates[kind],
                "weight_decay": settings.weight_decay if kind == "matrix" else 0.0,
            }
            for kind, parameters in groups.items()
            if parameters
        ],
        fused=True,
    )


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """While the block runs, a first Ctrl-C is noted, and the loop ends after its step; a second Ctrl-C interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = False
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
