"""Many inputs on their way to S3 at once; each file's failure is its input's own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..aws.retry import Retrier
from .compare import ComparedFile, ComparedInput, Comparer, sum_of
from .local_inputs import Unusable
from .sent_files import State
from .transfer import SLOTS, TRIES, Overtaken, Stopped, Uploader
from .transfer_progress import Progress

#: Seconds between two looks whether a line is due.
LOOK = 0.5


class UploadError(Exception):
    """An input could not be sent: one sentence for the user."""


class Uploads:
    """Used by one thread; sends in others."""

    def __init__(
        self,
        comparer: Comparer,
        retrier: Retrier,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        storage_class: str = "",
    ) -> None:
        self._comparer, self._retrier = comparer, retrier
        self._inventory, self._sent = comparer.inventory, comparer.sent
        self._say, self._clock, self._class = say, clock, storage_class
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(SLOTS, thread_name_prefix="hutchbatch-uploading")
        self._under_way: dict[str, list[Future[None]]] = {}
        self._unfinished: deque[Future[None]] = deque()
        self._progress: Progress | None = None

    def begin(self, inputs: Iterable[ComparedInput]) -> None:
        """Sends what of these is to be sent, in this order, in the background."""
        fresh = [each for each in inputs if each.url not in self._under_way and each.wanted]
        wanted = [item for each in fresh for item in each.wanted]
        if not wanted:
            return
        size = sum_of(wanted)
        if self._progress is None:
            self._progress = Progress("Uploaded", len(wanted), size, self._clock())
        else:
            self._progress.more(len(wanted), size)
        uploader = Uploader(
            self._comparer.s3,
            self._sent,
            self._retrier,
            self._progress.moved,
            self._stop,
            self._class,
        )
        for each in fresh:
            self._under_way[each.url] = [
                self._pool.submit(self._send, uploader, item, each.local.name, self._progress)
                for item in each.wanted
            ]
            self._unfinished.extend(self._under_way[each.url])

    def wait(self, url: str) -> None:
        """Returns when the input is there. Raises ``UploadError``; for an interrupt nothing more is
        sent."""
        try:
            for future in self._under_way.get(url, ()):
                while not future.done():
                    self._look()
                    _wait(future)
                future.result()
        except (UploadError, Stopped) as error:
            raise UploadError(str(error) or "the run is being stopped") from None
        except BaseException:
            self.stop()
            raise
        # From the front, each once: all of them for each input would take minutes of thousands.
        while self._unfinished and self._unfinished[0].done():
            self._unfinished.popleft()
        if not self._unfinished:
            self._over()

    def stop(self) -> None:
        """Sends nothing more. What was sent of a large file is not lost: the next run goes on."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._sent.save()

    def _look(self) -> None:
        if self._progress and (line := self._progress.due(self._clock())):
            self._say(line)
            self._sent.save()

    def _over(self) -> None:
        if self._progress is not None:
            self._say(self._progress.end(self._clock()))
            self._progress = None
            self._sent.save()

    def _send(self, uploader: Uploader, item: ComparedFile, name: str, progress: Progress) -> None:
        whole = f"{name}/{item.file.below}" if item.file.below else name
        try:
            self._send_fairly(uploader, item, whole)
        except Unusable as error:
            raise UploadError(str(error)) from None
        except OSError as error:
            raise UploadError(f"{whole} cannot be read: {error.strerror or error}") from None
        except (ClientError, BotoCoreError) as error:
            raise UploadError(errors.explain(error, f"uploading {whole}")) from error
        finally:
            self._inventory.forget([item.url])
        progress.done()

    def _send_fairly(self, uploader: Uploader, item: ComparedFile, name: str) -> None:
        for _ in range(TRIES):
            try:
                return uploader.send(item, name)
            except Overtaken:
                self._inventory.forget([item.url])
                item = self._comparer.again(item)
            if item.state is State.OLDER:
                self._say(newer_there(name, item.url))
            if not item.state.is_wanted:
                return None
        raise UploadError(f"{item.url} changes again and again while {name} is sent")


def newer_there(name: str, url: str) -> str:
    """About a file that is older than its object, and other."""
    return (
        f"{name} here differs from {url} and is older: it is not uploaded, jobs use the one in S3 "
        f"(to send yours all the same: touch {name})."
    )


def _wait(future: Future[None]) -> None:
    event = threading.Event()
    future.add_done_callback(lambda _: event.set())
    event.wait(LOOK)
