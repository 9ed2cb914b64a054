from e2e.cluster.stores import available_memory


def test_the_memory_that_programs_can_have_is_read_from_the_kernels_text() -> None:
    text = "MemTotal:       24689184 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\nHugePages_Total: 0\n"

    assert available_memory(text) == 20_000_000 * 1024


def test_a_kernel_that_does_not_tell_counts_as_full() -> None:
    assert available_memory("MemTotal: 1 kB\n") == 0
