"""The example store in a device's memory: a batch is gathered there, not copied to it."""

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from models.data.batch import Batch, JaggedHistory
from models.data.codes import UNKNOWN
from models.data.store import ExampleStore

_COLUMNS = ("target_item", "trigger_item", "history_start")


class DeviceStore:
    """The twin of `ExampleStore.gather` in torch operations, on any device.

    Times are kept as seconds since the oldest event or example, in 32 bits.

    Args:
        store: The store; its columns are copied.
        device: Where they are put.
    """

    def __init__(self, store: ExampleStore, device: torch.device) -> None:
        self._store, self._device = store, device
        self.request = store.request
        events = np.arange(_num_events(store))
        event_times = store.event_times_s(events)
        oldest = min(int(times.min()) for times in (store.time, event_times) if len(times))
        user = np.asarray(store.user)
        known_user = np.where(user < store.spec.num_users, user, UNKNOWN)
        put = self._put
        self._user, self._known_user = put(user), put(known_user.astype(np.int32))
        self._target, self._trigger, self._start = (put(getattr(store, one)) for one in _COLUMNS)
        self._label = put(np.asarray(store.label).astype(np.float32))
        self._time = put((np.asarray(store.time) - oldest).astype(np.int32))
        self._user_fields, self._context_fields = put(store.user_fields), put(store.context_fields)
        self._events = put(store.event_items(events))
        self._event_times = put((event_times - oldest).astype(np.int32))

    def gather(self, rows: Int[np.ndarray, " B"]) -> Batch:
        """Return the examples at ``rows``, equal to what the store itself gathers."""
        at = self._send(rows)
        user = self._user[at]
        return Batch.of_jagged(
            lambda: self._histories(rows, at),
            user=self._known_user[at],
            target_item=self._target[at],
            trigger_item=self._trigger[at],
            user_fields=self._user_fields[user],
            context_fields=self._context_fields[at],
            label=self._label[at],
        )

    def _histories(self, rows: Int[np.ndarray, " B"], at: Int[Tensor, " B"]) -> JaggedHistory:
        """Return the histories; their lengths are known on the host, so nothing is waited for."""
        lengths = self._store.history_length(rows).astype(np.int64)
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        offsets, total = self._send(bounds), int(bounds[-1])
        row = torch.repeat_interleave(offsets.diff(), output_size=total)
        events = torch.arange(total, device=self._device)
        events += (self._start[at].long() - offsets[:-1])[row]
        now = self._time[at]
        return JaggedHistory(
            self._events[events], offsets, lambda: now[row] - self._event_times[events]
        )

    def _send(self, values: Int[np.ndarray, " N"]) -> Int[Tensor, " N"]:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device, non_blocking=True)

    def _put(self, values: Shaped[np.ndarray, "..."]) -> Tensor:
        return torch.from_numpy(np.array(values)).to(self._device)


def device_bytes(store: ExampleStore) -> int:
    """Return how much memory the store's twin takes."""
    per_example = 4 * (7 + store.context_fields.shape[1])
    events = 8 * _num_events(store)
    return per_example * store.num_examples + store.user_fields.nbytes + events


def _num_events(store: ExampleStore) -> int:
    return int(max(store.timeline_end.max(initial=0), store.history_end.max(initial=0)))
