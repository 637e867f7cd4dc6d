"""What is checked in the batch normalization assignment? One declaration per student function."""

from __future__ import annotations

from autograder.assignments.batchnorm import inference_misconceptions, misconceptions
from autograder.assignments.batchnorm.backward import backward_aspects
from autograder.assignments.batchnorm.inference import count_aspects, fold_aspects
from autograder.assignments.batchnorm.layer import forward_aspects
from autograder.assignments.batchnorm.mnist import ACCURACY, MNIST_BATCHNORM
from autograder.assignments.batchnorm.running import running_aspects, update_aspects
from autograder.engine.declare import Check
from autograder.engine.messages import N_

CHECKS = (
    Check(
        name="update_running_stats",
        assignment="batchnorm",
        proves=N_("Your running statistics are PyTorch's after every batch, whatever its size."),
        takes=("update_running_stats",),
        aspects=(*running_aspects(by_forward=False), *update_aspects()),
        misconceptions=misconceptions.of_update,
    ),
    Check(
        name="batchnorm_forward",
        assignment="batchnorm",
        proves=N_("Your forward pass equals torch.nn.functional.batch_norm in both modes."),
        takes=("batchnorm_forward",),
        aspects=tuple(forward_aspects()),
        misconceptions=misconceptions.of_forward,
    ),
    Check(
        name="batchnorm_backward",
        assignment="batchnorm",
        proves=N_("Your three gradients equal PyTorch's in both modes."),
        takes=("batchnorm_forward", "batchnorm_backward"),
        aspects=tuple(backward_aspects()),
        misconceptions=misconceptions.of_backward,
    ),
    Check(
        name="count_parameters",
        assignment="batchnorm",
        proves=N_("You know what a batch normalization layer learns and what it only keeps."),
        takes=("count_parameters",),
        aspects=tuple(count_aspects()),
        misconceptions=inference_misconceptions.of_count,
    ),
    Check(
        name="fold_batchnorm",
        assignment="batchnorm",
        proves=N_("Your folded layer gives PyTorch's outputs without any normalization."),
        takes=("fold_batchnorm",),
        aspects=tuple(fold_aspects()),
        misconceptions=inference_misconceptions.of_fold,
    ),
    Check(
        name="published_batchnorm_forward",
        assignment="batchnorm",
        proves=N_("You found the fraction that the lecture had lost, and what it had left open."),
        takes=("published_batchnorm_forward",),
        aspects=tuple(forward_aspects()),
        misconceptions=misconceptions.of_forward,
        partial=False,
    ),
    MNIST_BATCHNORM,
)

ACCURACIES = (ACCURACY,)
