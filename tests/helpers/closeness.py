"""How near two float32 results must be, and why: the one place where tolerances are made.

One rounding costs at most U = 2**-24 of a value. Programs that take the same sums in another order
(other vectors, threads or fusions of another processor, padding dropped, micro-batches, replicas)
differ by the roundings between input and result, of the size of what was added up, not of what is
left. So a difference is measured by the largest value of an array, and by at least one where inner
values are of order one, as behind every LayerNorm.

A sum of n products is off by about sqrt(n) U, and k such sums in a row by sqrt(k) times that; the
largest of some thousand differences is about three times as large. The numbers below follow from
the tiny models of these tests, of two or three layers with sums of 24 to 40 products.

Equal bits are claimed of what is stored, copied and read; of two calls of one graph with one shape
of batch; and of training under `enable_op_determinism` on one machine. All three depend on nothing
but the order of sums being the same twice, whichever it is.
"""

import numpy as np

U = 2.0**-24
# One formula of some ten operations: a rate, an update of an optimizer, a softmax.
FORMULA = 17 * U  # 1e-6
# A model's outputs: 24 sums in a row, 3 sqrt(24) sqrt(40) U. Originals are off float64 by 3e-6.
FORWARD = 84 * U  # 5e-6
# Losses and gradients of a batch: forwards, backwards, over 60 tokens, 3 sqrt(48) sqrt(60) U.
BACKWARD = 168 * U  # 1e-5
# Outputs of twelve layers of 768, and of logits of up to 20.
DEEP = 4 * FORWARD  # 2e-5
# Gradients that cancel (before a softmax or a norm): a tenth of the terms is left.
CANCELLED = 10 * BACKWARD  # 1e-4


def of_steps(steps, rate=1e-3, gradients=CANCELLED):
    """Of variables after optimizer steps, of rate `rate` at most, with gradients that are so near.

    Each step of either program rounds a variable, and moves it by the rate in a direction that is
    off as its gradient is: errors add up, but do not grow.
    """
    return max(FORMULA, steps * (2 * U + rate * gradients))


def assert_near(got, want, tolerance, least=1.0, err_msg=""):
    """Arrays of one shape differ by `tolerance` of the largest value of `want` at most.

    Of `least` where that is more: 0 where no larger values stand behind the array (losses, rates).
    """
    got, want = np.asarray(got), np.asarray(want)
    scale = max(least, np.abs(want).max(initial=0.0))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale, err_msg=err_msg)
