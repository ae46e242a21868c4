"""A bounded buffer between a thread that captures and the event loop that consumes."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ThreadBuffer(Generic[T]):
    """Takes items from any thread and hands them out in an event loop; when full, the oldest give way."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lock = threading.Lock()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.lost = 0
        """Items that gave way before they were consumed."""

    def put(self, item: T) -> None:
        """Adds `item`; from any thread, never waits. After the loop is closed, does nothing."""
        with self._lock:
            if len(self._items) == self._capacity:
                self._items.popleft()
                self.lost += 1
            self._items.append(item)
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:
            return  # the loop was closed while the thread was still reading

    async def get(self) -> T:
        """The oldest item, as soon as there is one."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                self._arrived.clear()
            await self._arrived.wait()
