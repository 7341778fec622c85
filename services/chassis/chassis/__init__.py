"""The microservice chassis: messaging, persistence, HTTP and health, written once. No business words."""

import os
import signal

if os.getpid() == 1:
    # a container's first process is deaf to signals that it does not handle; a service handles them once it
    # runs, and in the second of imports before there is nothing to finish
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
