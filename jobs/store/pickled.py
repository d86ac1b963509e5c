"""The one place that touches pickle: jobs that arq's producers have left, where the operator allows it.

Unpickling runs whatever code the sender wished.  Nothing here is used unless `MONARQ_READ_PICKLED` is set.
"""

from __future__ import annotations

import pickle

from ..codec import ForeignCodec


def pickle_codec() -> ForeignCodec:
    """Reads arq's pickled envelopes, and answers in kind."""
    return ForeignCodec(pickle.dumps, pickle.loads)
