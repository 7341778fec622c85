"""The microservice chassis: messaging, persistence, HTTP and health, written once. No business words."""

import os
import signal

if os.getpid() == 1:
    # the first process of a container is deaf to signals that it does not handle; a service handles them once it
    # runs, and until then, a second of imports, there is nothing to finish
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
