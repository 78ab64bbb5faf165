"""Which electrodes' relations matter: from the relevance of attention scores to a graph."""

import numpy as np
from jaxtyping import Bool, Float


def electrode_graph(
    relevance: Float[np.ndarray, "channels channels"], percentile: float
) -> Bool[np.ndarray, "channels channels"]:
    """Choose the edges of Figs 5 and 10: scores whose relevance exceeds a percentile in size.

    Parameters
    ----------
    relevance
        Of what the electrode of the row draws on that of the column.
    percentile
        Of the sizes over all ordered pairs of different electrodes.

    Returns
    -------
    Which edges are in the graph. Where all are alike, none is.

    Notes
    -----
    The paper's "above the 99.7 percentile" leaves the sign open; it calls relevances of either sign
    relevant, so the size decides here. An electrode's score for itself relates it to no other: it
    is no edge and has no part in the percentile.
    """
    size = np.abs(relevance).astype(np.float64)
    others = ~np.eye(len(size), dtype=bool)
    if not others.any():
        return others
    edges: Bool[np.ndarray, "channels channels"]
    edges = others & (size > np.percentile(size[others], percentile))
    return edges
