"""From an app's transaction to Redis: the producer's side, the relay, and all that may go wrong between."""
