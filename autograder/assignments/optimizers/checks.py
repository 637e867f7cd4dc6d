"""What is checked in the assignment on optimizers? One declaration per student function."""

from __future__ import annotations

from autograder.assignments.optimizers import misconceptions, mnist
from autograder.assignments.optimizers.clipping import clip_aspects
from autograder.assignments.optimizers.plateau import plateau_aspects
from autograder.assignments.optimizers.schedules import (
    exponential_aspects,
    one_cycle_aspects,
    piecewise_aspects,
    power_aspects,
)
from autograder.assignments.optimizers.steps import optimizer_aspects
from autograder.assignments.optimizers.trajectories import OPTIMIZERS
from autograder.engine.declare import Check
from autograder.engine.messages import N_

_STEPS = N_("Your step moves parameters exactly as torch.optim does.")
_CLIPPING = N_("Your clipping does to gradients what torch.nn.utils does.")
_SCHEDULE = N_("Your learning rates are those of torch.optim.lr_scheduler.")

_FUNCTIONS = {
    **{name: (_STEPS, optimizer_aspects(name)) for name in OPTIMIZERS},
    "clip_by_value": (_CLIPPING, clip_aspects("clip_by_value", "limit")),
    "clip_by_norm": (_CLIPPING, clip_aspects("clip_by_norm", "max_norm")),
    "power_decay": (_SCHEDULE, power_aspects()),
    "exponential_decay": (_SCHEDULE, exponential_aspects()),
    "piecewise_constant": (_SCHEDULE, piecewise_aspects()),
    "one_cycle": (_SCHEDULE, one_cycle_aspects()),
    "reduce_on_plateau": (_SCHEDULE, plateau_aspects()),
}

CHECKS = (
    *(
        Check(
            name=name,
            assignment="optimizers",
            proves=proves,
            takes=(name,),
            aspects=aspects,
            misconceptions=getattr(misconceptions, f"of_{name}"),
        )
        for name, (proves, aspects) in _FUNCTIONS.items()
    ),
    Check(
        name="published_adam",
        assignment="optimizers",
        proves=N_("You found the wrong beta in a published formula."),
        takes=("published_adam",),
        aspects=optimizer_aspects("adam", extras=False),
        misconceptions=misconceptions.of_published_adam,
        partial=False,
    ),
    *mnist.CHECKS,
)

ACCURACIES = mnist.ACCURACIES
