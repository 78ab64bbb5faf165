r"""Layer-wise relevance propagation (Bach et al. 2015; App. E of the paper) through our networks.

A relevance is a value times a coefficient, :math:`R_j = a_j c_j`, and the rule of a layer is how
the coefficients of its inputs follow from those of its outputs. Where the layer is a weighted sum,
a ReLU, a maximum or a change of shape, that is how gradients follow, so that torch's own backward
pass propagates relevance once four kinds of function have a rule of their own:

======================  ============================================================================
function                rule
======================  ============================================================================
weighted sums           `stabilise`: the ε-rule. Dense layers, convolutions, batch normalisation in
                        evaluation, sums by ``einsum`` and ``@``, interpolation
cosine                  relevance ends here, as App. E says
product of two signals  half to each, e.g. a linear projection and its style; but where one of them
                        comes from a cosine all goes to the other
signals weighed by      all to the signals: attention scores are weights there, and get relevance by
signals                 the style alone
``PASSING``             their gradient, by which nothing is lost
``BENT``                their gradient, by which some is lost or added
======================  ============================================================================

What a gradient does with the rest: a ReLU passes relevance on, a maximum gives it to the winner, a
skip addition to either path its own part, and what is used twice gets the sum. A softmax gives
each product :math:`p_i (R_i - s_i \sum_j R_j)` of its scores s, as in Achtibat et al. (2024): what
raises all products alike has no relevance. The logarithm of a band's mean power gives each bin its
share of the power times its own value. A function without a rule is refused.

Biases are terms of the sums and take their part, ``b * c``, to themselves. Of softmax and
logarithm, what goes in differs from what comes out by the constant of the tangent that stands for
them. Both are known, so that the balance can be drawn up: `propagate` gives the relevance of
whatever it is asked for, biases and what stands between layers included.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, resolve_name


class _Stabilise(torch.autograd.Function):
    """Leave values alone and damp coefficients."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, epsilon: float) -> Tensor:
        ctx.save_for_backward(total)
        ctx.epsilon = epsilon
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, *coefficients: Tensor) -> tuple[Tensor, None]:
        (total,) = ctx.saved_tensors
        size = total.abs()
        return coefficients[0] * (size / (size + ctx.epsilon)).nan_to_num(0.0), None


def stabilise(total: Float[Tensor, "*outputs"], epsilon: float) -> Float[Tensor, "*outputs"]:
    r"""Let a weighted sum share its relevance by the ε-rule, Eq. (9) of Calhas & Henriques 2022.

    .. math:: R_j = \sum_k \frac{a_j w_{jk}}{z_k + \epsilon\, \operatorname{sign} z_k} R_k,
              \qquad z_k = \sum_j a_j w_{jk} + b_k

    With :math:`R = a c` a gradient does this but for the factor :math:`|z_k| / (|z_k| + \epsilon)`
    of :math:`c_k`, which is all that is done here.

    Parameters
    ----------
    total
        The sums :math:`z_k`.
    epsilon
        Added to their size; 0 is the rule as the paper prints it.

    Returns
    -------
    The same numbers.

    Notes
    -----
    The paper has neither ε nor bias. A sum of zero shares nothing.
    """
    stabilised: Tensor = _Stabilise.apply(total, epsilon)  # type: ignore[no-untyped-call]
    return stabilised


Rule = Callable[[Callable[..., Tensor], tuple[Any, ...], Mapping[str, Any], float], Tensor]
"""How a function of torch is called with its arguments so that relevance goes through it."""


def _weighted_sum(
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    epsilon: float,
) -> Tensor:
    if function is torch.Tensor.matmul and _are_signals(args):
        args = (args[0].detach(), *args[1:])
    return stabilise(function(*args, **kwargs), epsilon)


def _product(
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    _epsilon: float,
) -> Tensor:
    product = function(*args, **kwargs)
    # The value of the whole, the coefficients of half.
    return product / 2 + product.detach() / 2 if _are_signals(args) else product


def _end(
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    _epsilon: float,
) -> Tensor:
    return function(*args, **kwargs).detach()


_SUMS = (
    functional.linear,
    functional.conv2d,
    functional.conv3d,
    functional.batch_norm,
    functional.interpolate,
    torch.einsum,
    torch.Tensor.matmul,
)
RULES: Mapping[Callable[..., Any], Rule] = {
    **dict.fromkeys(_SUMS, _weighted_sum),
    torch.Tensor.mul: _product,
    torch.cos: _end,
}
"""The functions of torch whose gradient is not their rule."""
PASSING = {
    *(torch.relu, functional.relu, functional.max_pool3d, functional.dropout),
    *(torch.Tensor.add, torch.Tensor.sub, torch.Tensor.div, torch.Tensor.cumsum),
    *(torch.Tensor.flatten, torch.Tensor.view, torch.Tensor.view_as, torch.Tensor.permute),
    *(torch.Tensor.squeeze, torch.Tensor.unsqueeze, torch.Tensor.gather, torch.Tensor.contiguous),
    torch.Tensor.index_copy,
    *(torch.Tensor.__getitem__, torch.Tensor.detach),
    torch.Tensor.mT.__get__,  # type: ignore[attr-defined]  # what reading the property calls
}
"""Those that pass on as much as they are given."""
BENT = {torch.softmax, functional.softmax, torch.exp, torch.log, functional.layer_norm}
"""Those for which a tangent stands, whose constant keeps the rest."""


class Propagation(TorchFunctionMode):
    """Within this context every function of torch is called by its rule.

    Networks must be in evaluation and their parameters need no gradient: what needs one is taken
    for a signal. ``NotImplementedError`` tells of a function that no rule is known for.
    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in RULES:
            return RULES[func](func, args, kwargs or {}, self.epsilon)
        has_signal = any(isinstance(one, Tensor) and one.requires_grad for one in args)
        result = func(*args, **(kwargs or {}))
        goes_on = isinstance(result, Tensor) and result.requires_grad
        if has_signal and goes_on and func not in PASSING | BENT:
            raise NotImplementedError(f"{resolve_name(func)}: no rule for its relevance, see RULES")
        return result


def propagate(
    output: Float[Tensor, "*outputs"],
    coefficient: Float[Tensor, "*outputs"],
    inputs: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Bring the relevance ``output * coefficient`` back to ``inputs``.

    Parameters
    ----------
    output
        Of a network that ran within `Propagation`.
    coefficient
        1 where the output is its own relevance, as in the paper.
    inputs
        What it was made from and needs gradients; biases too, if their part is to be known.

    Returns
    -------
    The relevance of each input, zero where no way leads back to it.
    """
    if not output.requires_grad:
        return tuple(map(torch.zeros_like, inputs))
    found = torch.autograd.grad(
        output, inputs, coefficient, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return tuple(value.detach() * c for value, c in zip(inputs, found, strict=True))


def _are_signals(args: tuple[Any, ...]) -> bool:
    """Tell whether both factors come from what is explained."""
    return all(isinstance(one, Tensor) and one.requires_grad for one in args[:2])
