"""What is checked in the dropout assignment? One declaration per student function."""

from __future__ import annotations

from autograder.assignments.dropout import misconceptions
from autograder.assignments.dropout.backward import backward_aspects
from autograder.assignments.dropout.layer import (
    CLASSIC,
    FORWARD,
    MASK,
    edge_aspects,
    mode_aspects,
    random_layer_aspects,
)
from autograder.assignments.dropout.mc import mc_aspects
from autograder.assignments.dropout.mnist import ACCURACY, MNIST_DROPOUT
from autograder.engine.declare import Check
from autograder.engine.messages import N_

_FORWARD_ASPECTS = [
    *random_layer_aspects(FORWARD),
    *mode_aspects(FORWARD),
    *edge_aspects(FORWARD),
]

CHECKS = (
    Check(
        name="dropout_mask",
        assignment="dropout",
        proves=N_("Your masks follow the law of dropout and keep the expected activation."),
        takes=("dropout_mask",),
        aspects=(*random_layer_aspects(MASK), *edge_aspects(MASK)),
        misconceptions=misconceptions.of_mask,
    ),
    Check(
        name="dropout_forward",
        assignment="dropout",
        proves=N_("Your forward pass equals torch.nn.functional.dropout in both modes."),
        takes=("dropout_forward",),
        aspects=tuple(_FORWARD_ASPECTS),
        misconceptions=misconceptions.of_forward,
    ),
    Check(
        name="dropout_backward",
        assignment="dropout",
        proves=N_("Your gradient equals PyTorch's for the mask of its own forward pass."),
        takes=("dropout_forward", "dropout_backward"),
        aspects=tuple(backward_aspects()),
        misconceptions=misconceptions.of_backward,
    ),
    Check(
        name="classic_dropout_forward",
        assignment="dropout",
        proves=N_("You implemented dropout as the paper of 2014 describes it."),
        takes=("classic_dropout_forward",),
        aspects=(
            *random_layer_aspects(CLASSIC),
            *mode_aspects(CLASSIC),
            *edge_aspects(CLASSIC),
        ),
        misconceptions=misconceptions.of_classic,
    ),
    Check(
        name="mc_dropout",
        assignment="dropout",
        proves=N_("Your Monte Carlo average and its spread equal PyTorch's over the same samples."),
        takes=("mc_dropout",),
        aspects=tuple(mc_aspects()),
        misconceptions=misconceptions.of_mc,
    ),
    Check(
        name="published_dropout_forward",
        assignment="dropout",
        proves=N_("You found the error that p = 0.5 had hidden."),
        takes=("published_dropout_forward",),
        aspects=tuple(_FORWARD_ASPECTS),
        misconceptions=misconceptions.of_forward,
        partial=False,
    ),
    Check(
        name="frugal_dropout",
        assignment="dropout",
        proves=N_("You found the gradient that was lost wherever the input is zero."),
        takes=("frugal_dropout_forward", "frugal_dropout_backward"),
        aspects=tuple(backward_aspects()),
        misconceptions=misconceptions.of_backward,
        partial=False,
    ),
    MNIST_DROPOUT,
)

ACCURACIES = (ACCURACY,)
