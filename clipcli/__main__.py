"""Starting and leaving: ``clipcli`` and ``python -m clipcli``."""

from __future__ import annotations

import atexit
import gc
import os
import threading

from clipcli.standard_streams import release, secure


def main() -> None:
    """Run the command line and leave with its exit code."""
    secure()
    # Numpy's products run on our own threads (see numpytext); its library's would wait for each
    # other in busy loops and take the processor from the threads that decode.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # The same for torch's threads: between products they sleep, and pictures are decoded. On two
    # cores a run over large photographs takes a third less of the processor so.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Records are freed when the last one lets go of them; looking for circles among them, by
    # default after each 700, took a fifth of a run over cached pictures. All that is imported for a
    # first picture is 60,000 objects, and looking through them 12 ms.
    gc.set_threshold(100_000, 20, 50)
    try:
        from clipcli import process as interrupts
        from clipcli.cli.app import run

        interrupts.take_over()
        exit_code = run()
    except KeyboardInterrupt:  # while the modules above were being imported
        exit_code = 130
    _leave(exit_code)


def _leave(exit_code: int) -> None:
    """Leave at once: all is written, and the system takes the memory back.

    Python would take itself apart, piece by piece, which takes 50 ms with numpy and ONNX Runtime.
    Where the run ended early, there are threads that import torch or decode a huge picture still;
    it would wait for some of them and crash others.
    """
    release()
    if threading.active_count() == 1:
        atexit._run_exitfuncs()  # temporary folders, measurements of coverage
        release()
    os._exit(exit_code)


if __name__ == "__main__":
    main()
