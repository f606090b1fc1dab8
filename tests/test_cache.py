# SPDX-License-Identifier: Apache-2.0
"""Caches of the CPU: what walks cost by hand, every access against a second model, their machine file."""

import pytest
from acalsim_backend.errors import MachineError
from acalsim_backend.machine.file import load_machine
from qemu_fixtures import ECHO, description

pytestmark = pytest.mark.quick

SIZE = ECHO + 0x10
MISS, WRITEBACK = 30, 7
ARRAY = 0x80800000
"""RAM that nothing has touched yet."""


def cache(name="l1d", size=1024, ways=2, line=64, miss=MISS, writeback=0):
    return f"cache {name} {size} {ways} {line} {miss} {writeback}\n"


WALK = """
    .globl main
main:
    addi sp, sp, -16
    sd ra, 8(sp)
{walks}
    ld ra, 8(sp)
    addi sp, sp, 16
    li a0, 0
    ret
    .balign 64
walk:
    rdcycle t0
1:  {access}
    add a0, a0, a2
    bltu a0, a1, 1b
    rdcycle t1
    sub t1, t1, t0
    li t2, {size}
    sw t1, 0(t2)
    ret
"""


def walks(*spans, access="lw t3, 0(a0)"):
    """A program that walks over (first byte, bytes, stride) of the array; it writes the cycles to SIZE."""
    calls = [
        f"    li a0, {ARRAY + first}\n    li a1, {ARRAY + first + count}\n    li a2, {stride}\n    jal walk"
        for first, count, stride in spans
    ]
    return WALK.format(walks="\n".join(calls), access=access, size=SIZE)


BY_HAND = [
    # (what, accesses as (first, bytes, stride), misses of each walk in 1 KiB of 2 ways, 8 sets of 64 bytes)
    ("smaller than the cache: cold, then warm", [(0, 512, 4), (0, 512, 4)], [8, 0]),
    ("as large as the cache", [(0, 1024, 4), (0, 1024, 4)], [16, 0]),
    ("a line more: its set is thrashed, the others are not", [(0, 1088, 4), (0, 1088, 4)], [17, 3]),
    ("twice the cache: least recently used helps nobody", [(0, 2048, 4), (0, 2048, 4)], [32, 32]),
    ("a stride of a line", [(0, 2048, 64), (0, 2048, 64)], [32, 32]),
    ("two lines of one set", [(0, 1024, 512), (0, 1024, 512)], [2, 0]),
    ("three lines of one set", [(0, 1536, 512), (0, 1536, 512)], [3, 3]),
    (
        "the one used last stays",
        [(0, 1024, 512), (0, 4, 4), (1024, 4, 4), (0, 4, 4), (512, 4, 4)],
        [2, 0, 1, 0, 1],
    ),
]


@pytest.mark.parametrize(("what", "spans", "misses"), BY_HAND, ids=[what for what, *_ in BY_HAND])
def test_a_walk_costs_what_its_misses_cost(firmware, run, what, spans, misses):
    elf = firmware("walk", assembly=walks(*spans))
    without, with_cache = (
        run(elf, text=description() + text).simulator.written(SIZE) for text in ("", cache())
    )
    assert [more - less for more, less in zip(with_cache, without, strict=True)] == [
        MISS * count for count in misses
    ]


def test_lines_that_were_written_cost_more_when_they_leave(firmware, run):
    elf = firmware(
        "written", assembly=walks((0, 1024, 64), (1024, 1024, 64), (0, 1024, 64), access="sw a0, 0(a0)")
    )
    without, free, paid = (
        run(elf, text=description() + text).simulator for text in ("", cache(), cache(writeback=WRITEBACK))
    )
    assert [b - a for a, b in zip(without.written(SIZE), free.written(SIZE), strict=True)] == [16 * MISS] * 3
    extra = [b - a for a, b in zip(free.written(SIZE), paid.written(SIZE), strict=True)]
    assert extra[1:] == [16 * WRITEBACK] * 2
    assert paid.statistics["cache"]["l1d_writebacks"] >= 32


def test_an_access_across_the_border_of_lines_touches_both(firmware, run):
    elf = firmware("across", assembly=walks((60, 1, 1), (0, 1, 1), (64, 1, 1), access="ld t3, 0(a0)"))
    without, with_cache = (
        run(elf, text=description() + text).simulator.written(SIZE) for text in ("", cache())
    )
    assert [more - less for more, less in zip(with_cache, without, strict=True)] == [2 * MISS, 0, 0]


def test_the_simulator_is_told_what_the_caches_move(firmware, run):
    """Lines of 64 bytes go in and, where written, out; each access tells what has come since the last."""
    elf = firmware(
        "moved", assembly=walks((0, 1024, 64), (1024, 1024, 64), (1024, 1024, 64), access="sw a0, 0(a0)")
    )
    simulator = run(elf, text=description() + cache()).simulator
    counted = simulator.statistics["cache"]
    assert (
        sum(simulator.moved)
        <= 64 * (counted["l1d_misses"] + counted["l1d_writebacks"])
        < sum(simulator.moved) + 64 * 40
    )
    _, second, third, _ = simulator.moved[-4:]
    assert 32 * 64 <= second <= 36 * 64 and third <= 4 * 64  # 16 in and 16 out; then what is there already
    assert sum(run(elf, text=description()).simulator.moved) == 0


MIXED = """
static float a[700], b[700];
static volatile int word;
GRAPH void op_mix(void) {
    for (int i = 0; i < 700; i++) a[i] += b[(i * 37) % 700];
    memcpy(b, a, 1001);
    for (int i = 0; i < 9; i++) __atomic_fetch_add(&word, i, __ATOMIC_SEQ_CST);
    MMIO_READ32(ECHO(REG_STATUS));
    print("uart\\n");
}
int main(void) { op_mix(); op_mix(); return 0; }
"""


class Model:
    """A cache of lists."""

    def __init__(self, size, ways, line):
        self.ways, self.line, self.sets = ways, line, [[] for _ in range(size // ways // line)]
        self.counts = {"l1d_hits": 0, "l1d_misses": 0, "l1d_writebacks": 0}

    def access(self, write, size, address):
        for line in range(address // self.line, (address + size - 1) // self.line + 1):
            ways = self.sets[line % len(self.sets)]
            found = next((way for way in ways if way[0] == line), None)
            self.counts["l1d_hits" if found else "l1d_misses"] += 1
            if found:
                ways.remove(found)
            elif len(ways) == self.ways:
                self.counts["l1d_writebacks"] += ways.pop()[1]
            ways.insert(0, [line, write or bool(found and found[1])])


@pytest.mark.parametrize(
    ("size", "ways", "line"), [(512, 1, 16), (1024, 4, 32), (3072, 3, 64), (65536, 16, 64)]
)
def test_every_access_is_a_hit_or_a_miss_as_a_model_says(firmware, run, tmp_path, size, ways, line):
    text = description() + cache(size=size, ways=ways, line=line, writeback=WRITEBACK)
    elf = firmware("mixed", MIXED)
    found = run(elf, text=text, options=f",trace={tmp_path / 'trace'}").simulator.statistics
    model = Model(size, ways, line)
    for row in (tmp_path / "trace").read_text().splitlines():
        _, kind, count, address = row.split()
        if int(address, 16) >= 0x80000000:
            model.access(kind == "W", int(count), int(address, 16))
    assert found["cache"] == model.counts
    plain = run(elf).simulator.statistics
    assert "cache" not in plain
    extra = model.counts["l1d_misses"] * MISS + model.counts["l1d_writebacks"] * WRITEBACK
    assert found["cpu_cycles"] - plain["cpu_cycles"] == extra
    booked = sum(row["cycles"] for row in (*found["ops"], found["overhead"]))
    assert booked == found["cpu_cycles"] + found["stall_cycles"]
    assert found == run(elf, text=text).simulator.statistics, "the same every time"


CODE = f"""
    .globl main
main:
    addi sp, sp, -16
    sd ra, 8(sp)
    li s1, {SIZE}
    li s2, 3
    .balign 64
again:
    rdcycle s3
    jal straight
    rdcycle s4
    sub s4, s4, s3
    sw s4, 0(s1)
    addi s2, s2, -1
    bnez s2, again
    ld ra, 8(sp)
    addi sp, sp, 16
    li a0, 0
    ret
    .balign 4096
straight:
    .option norvc
    .rept 2047
    nop
    .endr
    ret
"""


def test_code_is_fetched_line_by_line(firmware, run):
    elf = firmware("code", assembly=CODE)
    without = run(elf).simulator.written(SIZE)
    large = run(elf, text=description() + cache("l1i", 16384, 4)).simulator
    assert [b - a for a, b in zip(without, large.written(SIZE), strict=True)] == [128 * MISS, 0, 0]
    small = run(elf, text=description() + cache("l1i", 4096, 1)).simulator
    lines = [(b - a) / MISS for a, b in zip(without, small.written(SIZE), strict=True)]
    assert lines == [129, 129, 129], "and main's own, which the walk has thrown out"
    assert set(small.statistics["cache"]) == {"l1i_hits", "l1i_misses"}


# --- The machine file -----------------------------------------------------------------------------

ECHO_TABLE = "[devices.echo]\nbase = 0x10200000\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("line_bytes = 48", "cpu.l1d.line_bytes is 48; it is a power of two"),
        (
            "size_bytes = 5000",
            "cpu.l1d.size_bytes is 5000; 4 ways of 64 bytes a line take 256 times a power of two",
        ),
        ("size_bytes = 768", "cpu.l1d.size_bytes is 768; 4 ways"),
        ("ways = 0", "cpu.l1d.ways is 0; it lies between 1 and 64"),
        ("lines = 4", "unknown key 'cpu.l1d.lines'; known are size_bytes, ways, line_bytes, miss_cycles"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(tmp_path, text, message):
    path = tmp_path / "machine.toml"
    path.write_text(f"[cpu.l1d]\n{text}\n{ECHO_TABLE}")
    with pytest.raises(MachineError, match=message):
        load_machine(str(path))


def test_caches_are_told_to_the_cpu_and_not_to_the_compiler(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text(ECHO_TABLE)
    plain = load_machine(str(path))
    path.write_text(f"[cpu.l1d]\n[cpu.l1i]\nsize_bytes = 8192\nmiss_cycles = 9\n{ECHO_TABLE}")
    cached = load_machine(str(path))
    assert plain.compile_view() == cached.compile_view()
    more = cached.description_text().removeprefix(plain.description_text())
    assert more == "cache l1d 32768 4 64 40 0\ncache l1i 8192 4 64 9 0\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cache l3 1024 2 64 1 0\n", "names the cache 'l3', which this plugin does not know"),
        ("cache l1d 1000 2 64 1 0\n", "cache l1d has no power of two of sets"),
        ("cache l1d 1024 0 64 1 0\n", "cache l1d has no power of two of sets"),
    ],
)
def test_a_cache_that_the_plugin_cannot_be_is_said(firmware, run, line, message):
    elf = firmware("nothing", "int main(void) { return 0; }")
    outcome = run(elf, text=description() + line)
    assert outcome.status == 70 and message in outcome.errors
