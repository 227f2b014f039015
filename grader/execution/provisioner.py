"""How Jupyter gets its kernels from a sandbox: a kernel provisioner that forks the zygote."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import port_names
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase

from grader.execution.sandbox import Sandbox
from grader.execution.seeds import seed_inside

KERNEL_NAME = "grader"
PROVISIONER_NAME = "grader-zygote"
"""Also the name of the entry point in pyproject.toml."""


class ZygoteProvisioner(KernelProvisionerBase):
    """One kernel: a fork of the zygote of `parent.sandbox`."""

    pid: int | None = None
    connection_info: dict[str, Any] = {}  # noqa: RUF012 -- as the base class has it; never changed in place

    @property
    def sandbox(self) -> Sandbox:
        sandbox: Sandbox = self.parent.sandbox
        return sandbox

    @property
    def has_process(self) -> bool:
        return self.pid is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        self.parent.write_connection_file()
        self.connection_info = self.parent.get_connection_info()
        return await super().pre_launch(cmd=[], **kwargs)  # type: ignore[no-any-return]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        inside = {**self.connection_info, "ip": str(self.parent.path)}
        inside["key"] = self.connection_info["key"].decode()
        self.pid = self.sandbox.ask("kernel", connection=inside, seed=seed_inside(self.parent.seed))
        return self.connection_info

    async def poll(self) -> int | None:
        """None while the kernel runs, then its exit code; negative: the signal that ended it."""
        if self.pid is None:
            return 0
        code: int | None = self.sandbox.ask("poll", pid=self.pid)
        return code

    async def wait(self) -> int | None:
        while (code := await self.poll()) is None:
            await asyncio.sleep(0.01)
        self.pid = None
        return code

    async def send_signal(self, signum: int) -> None:
        if self.pid is not None:
            self.sandbox.ask("signal", pid=self.pid, number=int(signum))

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """The kernel's sockets are in the run folder, which the sandbox's next sweep empties."""


class SandboxKernelSpecs(KernelSpecManager):
    """Knows one kernel, which needs no file on disk."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[],
            display_name="Python (sandbox)",
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER_NAME}},
        )


class SandboxKernelManager(AsyncKernelManager):
    """Manages a kernel in a sandbox; nobody can reach it but through the sockets in the run folder."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        path = sandbox.path("kernel")
        super().__init__(
            kernel_name=KERNEL_NAME,
            kernel_spec_manager=SandboxKernelSpecs(),
            transport="ipc",
            ip=sandbox.outside(path),
            client_factory=PinnedClient,
        )
        self.sandbox = sandbox
        self.path = path
        self.seed = seed

    def write_connection_file(self, **kwargs: Any) -> None:
        """Write nothing: the kernel is told through the zygote. With `ipc`, a port is the end of a socket's path."""
        for number, port in enumerate(port_names, start=1):
            setattr(self, port, number)

    def _connect_control_socket(self) -> None:
        """Nothing is ever said on this one, which would be the only one to connect to a path that is not pinned.

        It would also be closed by nobody: when the garbage collector finds it together with its context, the context
        waits for ever for its sockets to be closed.
        """

    def sockets(self) -> dict[str, Path]:
        """The paths of those sockets of the kernel that are used."""
        ports = {"shell": self.shell_port, "iopub": self.iopub_port}
        return {channel: self.path.with_name(f"{self.path.name}-{port}") for channel, port in ports.items()}


class PinnedClient(AsyncKernelClient):
    """A client that connects to sockets which are open already, and never to what stands at their paths later.

    ZeroMQ connects again, by itself, where a connection breaks: by then, the path could be a link to anything.
    """

    pinned: Mapping[str, int] = {}

    def _make_url(self, channel: str) -> str:
        return f"ipc:///proc/self/fd/{self.pinned[channel]}"
