"""Files of tests run one after the other, in workers that stay."""

import asyncio
from collections.abc import Callable, Sequence

from sidecar.cli.testing.file_run import run_file
from sidecar.cli.testing.found_files import TestFile
from sidecar.cli.testing.results import FileResult
from sidecar.cli.testing.trials import Trials
from sidecar.configuration.tree import Configuration
from sidecar.phone.clock import SkippingLoop


def run_files(
    files: Sequence[TestFile],
    configuration: Configuration,
    show: Callable[[FileResult], None],
    *,
    wanted: Callable[[str], bool] = lambda _name: True,
    limit_seconds: float,
) -> list[FileResult]:
    """Run those tests whose full name is wanted, each for so long at most; ``show`` is given what came of each file at
    once. Raises SandboxError where no worker comes up."""

    async def run_all() -> list[FileResult]:
        trials = Trials(configuration)
        results = []
        try:
            for file in files:
                result = await run_file(file, trials, wanted=wanted, limit_seconds=limit_seconds)
                results.append(result)
                show(result)
        finally:
            await trials.close()
        return results

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(run_all())
