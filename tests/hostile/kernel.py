"""Attacks on the kernel, its messages, its sockets and the frames of the wire: no cell ends a kernel, and none its own."""

from __future__ import annotations

from hostile.entry import ANY, KEPT, LOST, Hostile, beside, cheating, once

KERNEL = "kernel = get_ipython().kernel\n"
MALFORMED = """
for message in (
    [b""], [b"x"] * 9, [b"\\xff" * 100], [b"<IDS|MSG>"], [b"a", b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"],
    [b"a", b"<IDS|MSG>", b"0" * 64, b"nonsense", b"[", b"null", b"\\0"], [b"<IDS|MSG>"] * 500,
):
    kernel.iopub_socket.send_multipart(message)
"""
UNEXPECTED = """
parent = kernel.get_parent()
for kind, content in (
    ("status", {"execution_state": "idle"}), ("status", {"execution_state": 7}), ("status", None),
    ("stream", {"name": 7}), ("stream", {"name": "stdout", "text": ["x"]}), ("display_data", {"data": []}),
    ("execute_result", {"execution_count": "x", "data": {"text/plain": 7}, "metadata": 7}),
    ("error", {"ename": [], "evalue": {}, "traceback": 7}), ("execute_input", {}), ("clear_output", {"wait": "x"}),
    ("update_display_data", {"transient": {"display_id": []}, "data": {}}), ("comm_open", {"comm_id": 7, "data": {}}),
    ("comm_msg", {"comm_id": 7}), ("input_request", {"prompt": "?"}), ("shutdown_reply", {"restart": True}),
    ("no_such_type", None), ("execute_reply", {"status": "aborted"}),
):
    kernel.session.send(kernel.iopub_socket, kind, content, parent)
"""
REPLIES = """
parent = kernel.get_parent()
for kind, content in (
    ("execute_reply", {"status": "ok", "execution_count": 1}), ("execute_reply", {}), ("execute_reply", []),
    ("checkpoint_reply", {"status": "ok", "pid": 1}), ("checkpoint_reply", {"status": "ok", "pid": -1}),
):
    kernel.session.send(kernel.shell_stream, kind, content, parent, kernel._parent_ident.get("shell") or [b""])
"""
FOREIGN_PARENT = """
for index in range(50):
    header = {**kernel.get_parent()["header"], "msg_id": f"{index}_{index}"}
    kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "1 passed"}, {"header": header})
"""
SQUAT = """
import os, socket
squatters = []
for number in range(FIRST, FIRST + 200):
    for name in (f"checkpoint-{number}", f"kernel-{number}"):
        squatter = socket.socket(socket.AF_UNIX)
        try:
            squatter.bind(f"/run/notebook/{name}")
            squatter.listen(1)
        except OSError:
            continue
        squatters.append(squatter)
        if len(squatters) > 400: break
"""
SERVE = """
import os, socket, threading, struct
def serve(squatter):
    while True:
        connection, _ = squatter.accept()
        body = b"\\x92\\xa5value\\xc4\\x01\\xc3"
        connection.sendall(struct.pack("!I", len(body)) + body)
        held.append(connection)
held = []
for number in range(30):
    squatter = socket.socket(socket.AF_UNIX)
    try: squatter.bind(f"/run/notebook/checkpoint-{number + FIRST}")
    except OSError: continue
    squatter.listen(9)
    threading.Thread(target=serve, args=(squatter,), daemon=True).start()
"""
FIND_FIRST = """
import os, re
numbers = [int(number) for name in os.listdir("/run/notebook") for number in re.findall(r"-(\\d+)", name)]
FIRST = max(numbers, default=0) + 1
"""
LINKS = """
import os
for number in range(FIRST, FIRST + 40):
    for target in ("/dev/zero", "/etc/passwd", "/run/notebook/nowhere"):
        try: os.symlink(target, f"/run/notebook/checkpoint-{number}")
        except OSError: pass
"""
PIPES = """
import os
for number in range(FIRST, FIRST + 40):
    os.mkfifo(f"/run/notebook/checkpoint-{number}")
"""
REMOVED = """
import os
for name in os.listdir("/run/notebook"):
    os.unlink(f"/run/notebook/{name}")
"""
FILLED = """
try:
    with open("/run/notebook/filling", "wb") as file:
        while True: file.write(bytes(2**16))
except OSError: pass
"""
CONNECTION = """
import gc, os, socket, struct, sys, time
def connection():
    "The probe's own socket."
    frame = sys._getframe()
    while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "connection"):
        frame = frame.f_back
    return frame.f_locals["self"].connection
def framed(body, length=None):
    connection().sendall(struct.pack("!I", len(body) if length is None else length) + body)
    return 7
"""


def framing(expression: str) -> Hostile:
    """Something of its own goes over the socket of the probe."""
    return once(expression, CONNECTION)


RIGHT_ANSWER = "b'\\x92\\xa5value\\xc4\\x09\\xcb' + struct.pack('!d', -5.0)"
FRAMES: dict[str, Hostile] = {
    "of-another-answer": once(
        f"framed({RIGHT_ANSWER}.replace(struct.pack('!d', -5.0), struct.pack('!d', 7.0)))", CONNECTION
    ),
    "empty": framing("framed(b'')"),
    "too-long-a-length": framing("framed(b'x', 2**32 - 1)"),
    "shorter-than-its-length": framing("(framed(b'x', 1000), connection().close(), os._exit(0))"),
    "longer-than-its-length": framing("framed(b'\\x92' * 1000, 3)"),
    "half-a-length": framing("(connection().send(b'\\0\\0'), os._exit(0))"),
    "of-eighty-megabytes": framing("framed(bytes(80 * 2**20))"),
    "of-a-million-lists": framing("framed(b'\\xdd\\x00\\x20\\x00\\x00' + b'\\x90' * 2**21)"),
    "nested-without-end": framing("framed(b'\\x91' * 10**5)"),
    "of-extensions": framing("framed(b'\\xc9\\xff\\xff\\xff\\xff\\x01')"),
    "as-a-death": framing("framed(b'\\x93\\xa4died\\x00\\xcb' + bytes(8))"),
    "as-no-probe": framing("framed(b'\\x92\\xa8no probe\\xa4full')"),
    "slow-drip": framing("[connection().send(b'\\0') or time.sleep(0.3) for _ in range(10**6)]"),
    "never": framing("time.sleep(10**6)"),
    "closed": framing("connection().close() or os._exit(0)"),
    "all-descriptors-closed": framing("os.closerange(3, 4096)"),
    "shut-for-reading": framing("connection().shutdown(socket.SHUT_RDWR)"),
}

KERNELS: dict[str, Hostile] = {
    # The kernel's own means to end
    "do-shutdown": beside(KERNEL + "kernel.do_shutdown(True)"),
    "do-shutdown-for-good": beside(
        KERNEL + "answer = kernel.do_shutdown(False)\nimport inspect\nif inspect.isawaitable(answer): await answer"
    ),
    "shutdown-request": beside(
        KERNEL
        + "import inspect\nanswer = kernel.shutdown_request(kernel.control_stream, [b''], {**kernel.get_parent(), 'content': {'restart': False}})\n"
        "if inspect.isawaitable(answer): await answer"
    ),
    "shutdown-at-a-distance": beside(KERNEL + "await kernel._at_shutdown()"),
    "application-exit": beside("from traitlets.config import Application\nApplication.instance().exit(0)"),
    "application-of-ipython": beside(
        "import IPython\nfrom IPython.core.application import BaseIPythonApplication as A\nA.instance().exit()"
    ),
    "application-closed": beside("from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.instance().close()"),
    "new-application": beside(
        "from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.clear_instance()\nIPKernelApp.launch_instance(argv=[])",
        # It has connections of its own, which Linux lists for a minute.
        replaced=True,
    ),
    "embedded-kernel": beside("import IPython\nIPython.embed_kernel()", gets=ANY),
    "start-ipython": beside("import IPython\nIPython.start_ipython(argv=['-c', 'exit()'])"),
    "loop-stopped": beside("import asyncio\nasyncio.get_event_loop().stop()"),
    "io-loop-stopped": beside(KERNEL + "kernel.io_loop.add_callback(kernel.io_loop.stop)"),
    "loop-closed": beside("import asyncio\nloop = asyncio.get_event_loop()\nloop.call_soon(loop.close)"),
    "all-tasks-cancelled": beside("import asyncio\nfor task in asyncio.all_tasks(): task.cancel()"),
    "loop-flooded": beside("import asyncio\nfor _ in range(100): asyncio.get_event_loop().call_soon(lambda: 1 / 0)"),
    "loop-blocked-later": beside(
        "import asyncio, time\nasyncio.get_event_loop().call_later(0.05, time.sleep, 10**6)", gets=ANY
    ),
    "exit": beside("exit"),
    "exit-called": beside("exit()"),
    "quit": beside("quit()"),
    "exit-kept": beside("exit(keep_kernel=True)"),
    "ask-exit": beside("get_ipython().ask_exit()"),
    "exit-now": beside("get_ipython().exit_now = True"),
    "payload-ask-exit": beside(
        "get_ipython().payload_manager.write_payload({'source': 'ask_exit', 'keepkernel': False})"
    ),
    "payload-of-next-input": beside("get_ipython().set_next_input('exit()', replace=True)"),
    "reset": beside("%reset -f"),
    "reset-all": beside("%reset -f in out dhist array"),
    "reset-after-the-answers": beside(after=["%reset -f"]),
    "reset-selective": beside("%reset_selective -f .*"),
    "unloads-the-shell": beside("get_ipython().restore_sys_module_state()\nget_ipython().clear_instance()"),
    "user-namespace-replaced": beside("get_ipython().user_ns = {}\nget_ipython().user_module = None", gets=KEPT),
    "raises-system-exit": beside("class Bye(SystemExit): pass\nraise Bye(3)"),
    "raises-keyboard-interrupt": beside("raise KeyboardInterrupt"),
    "raises-generator-exit": beside("raise GeneratorExit"),
    "raises-cancelled": beside("import asyncio\nraise asyncio.CancelledError"),
    "raises-a-base-exception": beside("class B(BaseException):\n    def __str__(self): raise self\nraise B"),
    "ends-by-os-exit": beside("import os\nos._exit(0)"),
    "ends-by-a-signal": beside("import os\nos.kill(os.getpid(), 15)"),
    "ends-by-a-fault": beside("import ctypes\nctypes.string_at(8, 8)"),
    "ends-by-a-deep-stack": beside(
        "import sys\nsys.setrecursionlimit(10**9)\nclass R:\n    def __repr__(self): return repr(self)\nrepr(R())"
    ),
    "becomes-another-program": beside("import os\nos.execv('/bin/true', ['true'])"),
    "becomes-another-kernel": beside(
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'while 1: pass'])"
    ),
    "ends-every-process": beside("import os\nos.kill(-1, 9)"),
    "dies-three-times": beside(*["import os\nos._exit(1)"] * 2),
    "dies-in-every-answer": cheating(
        **{name: f"import os\n{name} = 7\nos._exit(0)" for name in ("double", "quadruple")}
    ),
    "stops-itself": beside("import os\nos.kill(os.getpid(), 19)"),
    "interrupts-itself": beside("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)"),
    "ignores-interrupts": beside("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"),
    # Sockets and messages
    "iopub-closed": beside(KERNEL + "kernel.iopub_socket.close()"),
    "shell-closed": beside(KERNEL + "kernel.shell_stream.close()", gets=KEPT),
    "descriptors-closed": beside("import os\nos.closerange(3, 1024)"),
    "standard-descriptors-closed": beside("import os\nos.closerange(0, 3)"),
    "context-destroyed": beside(
        "import zmq, gc\nfor thing in gc.get_objects():\n    if isinstance(thing, zmq.Context): thing.destroy(linger=0)"
    ),
    "key-changed": beside(KERNEL + "kernel.session.key = b'mine'"),
    "signature-scheme-changed": beside(KERNEL + "kernel.session.signature_scheme = 'hmac-md5'"),
    "session-mute": beside(KERNEL + "kernel.session.send = lambda *a, **k: None"),
    "session-packs-nothing": beside(KERNEL + "kernel.session.pack = lambda content: b'['"),
    "handlers-removed": beside(KERNEL + "kernel.shell_handlers.clear()", gets=KEPT),
    "checkpoints-refused": beside(
        KERNEL + "async def refuse(stream, ident, parent):\n"
        "    kernel.session.send(stream, 'checkpoint_reply', {'status': 'error', 'why': 'no'}, parent, ident)\n"
        "kernel.shell_handlers['checkpoint_request'] = refuse",
        gets=KEPT,
    ),
    "checkpoints-pretended": cheating(
        KERNEL + "import os\nasync def pretend(stream, ident, parent):\n"
        "    kernel.session.send(stream, 'checkpoint_reply', {'status': 'ok', 'pid': os.getpid()}, parent, ident)\n"
        "kernel.shell_handlers['checkpoint_request'] = pretend",
        gets=LOST,
    ),
    "checkpoints-of-the-zygote": beside(
        KERNEL + "async def pretend(stream, ident, parent):\n"
        "    kernel.session.send(stream, 'checkpoint_reply', {'status': 'ok', 'pid': 1}, parent, ident)\n"
        "kernel.shell_handlers['checkpoint_request'] = pretend",
        gets=KEPT,
    ),
    "malformed-messages": beside(KERNEL + MALFORMED),
    "unexpected-messages": beside(KERNEL + UNEXPECTED),
    "forged-replies": beside(KERNEL + REPLIES, gets=KEPT),
    "messages-of-other-cells": beside(KERNEL + FOREIGN_PARENT),
    "iopub-flood": beside(
        KERNEL
        + "for _ in range(20): kernel.session.send(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': 'x' * 10**7}, kernel.get_parent())"
    ),
    "one-endless-message": beside(KERNEL + "kernel.iopub_socket.send(bytes(2 * 10**8))"),
    "comms": beside("from comm import create_comm\nfor i in range(200): create_comm(target_name='x', data={'i': i})"),
    "asks-for-input": beside("input('name?')"),
    "asks-for-a-password": beside("import getpass\ngetpass.getpass()"),
    "stdin-pretended": beside(KERNEL + "kernel._allow_stdin = True\ninput('name?')"),
    "displays-that-raise": beside(
        "class R:\n    def __repr__(self): raise SystemExit\n    _repr_html_ = _repr_mimebundle_ = __repr__\nR()"
    ),
    "print-replaced": beside("import sys\nsys.stdout = sys.stderr = None", gets=ANY),
    # The run folder
    "checkpoints-squatted": beside(FIND_FIRST + SQUAT, gets=KEPT),
    "checkpoints-served": cheating(FIND_FIRST + SERVE, gets=LOST),
    "links-for-checkpoints": beside(FIND_FIRST + LINKS, gets=KEPT),
    "pipes-for-checkpoints": beside(FIND_FIRST + PIPES, gets=KEPT),
    "run-folder-emptied": beside(REMOVED),
    "run-folder-emptied-later": beside(after=[REMOVED], gets=KEPT),
    "run-folder-filled": beside(FILLED, gets=KEPT),
    "run-folder-closed": beside("import os\nos.chmod('/run/notebook', 0)"),
    "listens-on-all-interfaces": beside("import socket\ns = socket.create_server(('127.0.0.1', 8888))\ns.listen()"),
    **{f"frame-{name}": row for name, row in FRAMES.items()},
}
