"""The installed version, as upstreams and probes see it."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("ai-proxy")
except PackageNotFoundError:  # run from a checkout that was never installed
    VERSION = "0"
