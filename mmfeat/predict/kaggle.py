"""Upload a submission through the official `kaggle` client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from mmfeat.errors import SubmissionError

TIMEOUT = 600  # seconds


def to_kaggle(path: Path, competition: str, message: str) -> str:
    """Submit `path` to `competition` and return the answer of the client.

    The client is the command `kaggle`, which the user installs and configures; it alone handles
    credentials. Raises `SubmissionError` where it is not installed or fails.
    """
    # the commands of a virtual environment that is not activated are beside its Python
    places = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    client = shutil.which("kaggle", path=places)
    if client is None:
        raise SubmissionError(
            "an upload needs the kaggle client",
            "it is not installed",
            "`pip install kaggle`, configure it (see kaggle.com/docs/api) and submit again;"
            f" or upload {path} on the competition's page",
        )
    command = [client, "competitions", "submit", "-c", competition, "-f", str(path), "-m", message]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise SubmissionError(
            f"the kaggle client must answer within {TIMEOUT} seconds",
            "it did not",
            f"try again, or upload {path} on the competition's page",
        ) from error
    answer = " ".join((done.stdout + "\n" + done.stderr).split())
    if done.returncode != 0:
        raise SubmissionError(
            "the kaggle client must accept the submission",
            f"it ended with status {done.returncode}: {answer[-300:]}",
            f"correct that, or upload {path} on the competition's page",
        )
    return answer
