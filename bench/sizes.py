"""How much of everything a run measures with."""
import dataclasses

MIB, GIB = 1 << 20, 1 << 30


@dataclasses.dataclass(frozen=True)
class Sizes:
    pairs: int = 5
    blob: int = GIB
    small: int = 10_000             # files of 4 KiB
    wan: int = 100 * MIB            # over the emulated link
    provider_rate: int = 100        # MB/s of each of four providers
    large: int = 8 * GIB            # for peak memory
    huge: int = 64 * GIB
    queue_seconds: int = 3
    queued: int = 100_000           # intents for memory
    restarted: int = 1_000_000      # intents for the start
    idle_seconds: int = 20


FULL = Sizes()
# Shows that every row works, in three minutes on two cores; its figures mean nothing.
QUICK = Sizes(pairs=1, blob=32 * MIB, small=300, wan=4 * MIB, provider_rate=20, large=64 * MIB, huge=96 * MIB,
              queue_seconds=1, queued=2_000, restarted=2_000, idle_seconds=2)
