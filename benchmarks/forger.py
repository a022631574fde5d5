"""A client that only forges: `python -m benchmarks.forger HOST PORT < FRAME` sends the frame as fast as it is read.

A process of its own that imports nothing of the node, so that the load beside it does not pay for its start.
"""

import socket
import sys
import time
from typing import Final

ADDRESS: Final = "127.0.0.51"  # another one than that of the load: an address answers for itself


def main() -> None:
    """Until it is ended. Says "ready" when the node has taken its first frame."""
    host, port, frame = sys.argv[1], int(sys.argv[2]), sys.stdin.buffer.read()
    said = False
    while True:
        try:
            with socket.create_connection((host, port), source_address=(ADDRESS, 0), timeout=1.0) as client:
                while True:
                    client.sendall(frame)
                    if not said:
                        said = True
                        print("ready", flush=True)
                    client.recv(65_536)
        except OSError:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
