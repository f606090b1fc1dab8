# SPDX-License-Identifier: Apache-2.0
"""A device in SystemVerilog on its buses: bursts, widths, ids, clocks, and each rule that it may break."""

import numpy as np
import pytest
from rtl_fixtures import RAM_BYTES
from simulator_fixtures import BUSY, RAM, START, WAIT, request

SOURCE, TARGET = RAM + 0x1000, RAM + 0x81000
SHAPE = dict(SOURCE=SOURCE, TARGET=TARGET, STRIDE=256, BURSTS=4, BEATS=16, BEAT_SIZE=4, IDS=1)


def move(mover, **shape):
    """Start the mover and wait for it; the stall of RESULT's read."""
    mover.write(**{**SHAPE, **shape})
    mover.write(CONTROL=START)
    return mover.read("RESULT")[1]


def fill(mover):
    data = np.random.default_rng(1).integers(0, 256, 0x20000, dtype=np.uint8)
    mover.put(RAM, data)
    mover.put(RAM + 0x80000, np.zeros(0x20000, np.uint8))
    return data


def moved(mover, data, **shape):
    """Whether just the bursts' bytes are at the target."""
    shape = {**SHAPE, **shape}
    size = 1 << shape["BEAT_SIZE"]
    wanted = np.zeros(0x20000, np.uint8)
    for burst in range(shape["BURSTS"]):
        begin = shape["SOURCE"] - RAM + burst * shape["STRIDE"]
        end = begin // size * size + shape["BEATS"] * size
        wanted[begin + shape["TARGET"] - shape["SOURCE"] - 0x80000 :][: end - begin] = data[begin:end]
    return (mover.get(RAM + 0x80000, (0x20000,), np.uint8) == wanted).all()


# --- Bursts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_width", [32, 128, 512])
def test_bursts_of_every_shape_arrive_and_nothing_beside_them(plugged, data_width):
    mover = plugged("mover.sv", data_width=data_width)
    whole = (data_width // 8).bit_length() - 1
    for shape in (
        dict(BEAT_SIZE=whole),
        dict(BEAT_SIZE=whole, BURSTS=40, BEATS=256 >> whole),
        dict(BEAT_SIZE=whole, SOURCE=SOURCE + 3, TARGET=TARGET + 3, BEATS=2),
        dict(BEAT_SIZE=whole - 1, SOURCE=SOURCE + 1, TARGET=TARGET + 1, BEATS=3),
        dict(BEAT_SIZE=0, SOURCE=SOURCE + 5, TARGET=TARGET + 5, BEATS=11),
        dict(BEAT_SIZE=whole, STRIDE=4096, BURSTS=8, BEATS=min(256, 4096 >> whole)),
    ):
        data = fill(mover)
        move(mover, **shape)
        assert moved(mover, data, **shape), shape


def test_time_is_that_of_the_rams_model(plugged):
    """A latency for reading, one for writing, a line of 64 bytes, then a beat a cycle each way."""
    times = {}
    for latency in (20, 120):
        mover = plugged("mover.sv", ram={"latency_cycles": latency})
        times[latency] = [
            move(mover, BURSTS=bursts, BEATS=beats) for bursts, beats in ((1, 16), (1, 4), (3, 16))
        ]
    assert [slow - fast for fast, slow in zip(*times.values(), strict=True)] == [200, 200, 200]
    whole, short, three = times[20]
    assert whole - short == 2 * 12 and three - whole == 2 * 2 * 16


def test_a_slow_ram_sets_the_pace(plugged):
    fast, slow = (move(plugged("mover.sv", ram={"bytes_per_cycle": rate}), BURSTS=8) for rate in (64, 4))
    assert slow - fast >= 2 * 8 * 16 * 3
    assert fast < 2 * 8 * 16 + 100


def test_more_bursts_than_may_be_under_way_wait_for_ready(plugged):
    mover = plugged("mover.sv", ram={"latency_cycles": 2000})
    data = fill(mover)
    assert move(mover, BURSTS=17) - move(mover, BURSTS=16) >= 2000
    assert moved(mover, data, BURSTS=17)


def test_bursts_of_other_ids_need_not_wait_and_those_of_one_id_do(plugged):
    """On a RAM of two channels the first burst's is busy."""
    mover = plugged("mover.sv", ram={"channels": 2, "interleave_bytes": 4096, "bytes_per_cycle": 1})
    data = fill(mover)
    shape = dict(SOURCE=RAM + 0xF00, TARGET=RAM + 0x80F00, BURSTS=2, BEATS=16)
    for ids in (1, 2):
        move(mover, **shape, IDS=ids)
        assert moved(mover, data, **shape)


def test_what_ram_holds_back_changes_time_and_nothing_else(plugged):
    mover, held = (plugged("mover.sv", not_ready_percent=percent) for percent in (0, 60))
    data = fill(mover), fill(held)
    assert move(held, BURSTS=30) > move(mover, BURSTS=30)
    assert moved(held, data[1], BURSTS=30) and moved(mover, data[0], BURSTS=30)


# --- Registers, clock, interrupt -------------------------------------------------------------------


def test_an_access_takes_the_cycles_of_its_handshakes(plugged):
    """The mover takes an address, then data, then answers: four edges; a read takes two."""
    mover = plugged("mover.sv")
    assert mover.write(SOURCE=1) == 1 + 4
    assert mover.read("SOURCE") == (1, 1 + 2)
    assert plugged("mover.sv", access_cycles=5).write(SOURCE=1) == 5 + 4


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 3), (2, 3), (1, 1), (3, 2), (4, 1)])
def test_the_clock_is_a_ratio_of_the_systems(plugged, numerator, denominator):
    mover = plugged("mover.sv", clock_numerator=numerator, clock_denominator=denominator)
    data = fill(mover)
    mover.write(**SHAPE)
    before, since = mover.statistics["clock_cycles"], mover.engine.result()["total_cycles"]
    move(mover)
    ticks = mover.statistics["clock_cycles"] - before
    cycles = mover.engine.result()["total_cycles"] - since
    assert abs(ticks - cycles * numerator / denominator) < 40 * numerator / denominator + 4 * 14
    assert moved(mover, data)


def test_a_clock_stands_still_while_nothing_happens(plugged):
    mover = plugged("mover.sv")
    mover.write(SOURCE=5)
    ticks = mover.statistics["clock_cycles"]
    assert mover.read("SOURCE", advance_cycles=10**12) == (5, 3)
    assert mover.statistics["clock_cycles"] <= ticks + 2 + 2 * 2, "two for the read, two each to come to rest"


def test_busy_is_what_the_cpu_waits_for_and_reset_ends_it(plugged):
    mover = plugged("mover.sv", ram={"latency_cycles": 500})
    mover.write(**SHAPE, CONTROL=START)
    assert mover.read("STATUS") == (BUSY, 3)
    assert mover.read("RESULT")[1] > 1000
    assert mover.read("STATUS")[0] == 2
    mover.write(**SHAPE, CONTROL=START)
    mover.write(CONTROL=2)
    assert mover.read("STATUS")[0] == 2 and mover.read("SOURCE")[0] == 0
    data = fill(mover)
    move(mover)
    assert moved(mover, data)


def test_the_interrupt_is_raised_when_irq_rises(plugged, serve):
    mover = plugged("mover.sv")
    client = serve(mover.engine).client
    for name, value in {**SHAPE, "CONTROL": START | 1 << 16}.items():
        client.write(mover.device.base + mover.registers[name], value)
    client.send(request(WAIT))
    _, raised, stall, _ = client.response()
    assert raised == 1 << mover.device.parameters["interrupt"] - 32
    assert stall > 2 * 4 * 16
    client.end()


def test_an_error_response_fails_the_access(plugged):
    mover = plugged("mover.sv")
    mover.write(FAULT=17)
    assert mover.engine.read(mover.device.base + mover.registers["IDS"])[0] is False
    assert mover.engine.write(mover.device.base + mover.registers["IDS"], 1)[0] is False


def test_cycles_are_the_same_in_every_run(plugged):
    def run():
        mover = plugged("mover.sv", not_ready_percent=30)
        fill(mover)
        return [move(mover, BURSTS=count, IDS=3) for count in (1, 20, 5)], mover.engine.result()

    assert run() == run()


# --- What is refused -------------------------------------------------------------------------------

NAMED = r"cycle \d+: device 'mine' \(mover.sv\) "
FAULTS = [
    (1, dict(BURSTS=30), "breaks AXI: m_axi_arvalid falls before m_axi_arready came$"),
    (2, dict(BURSTS=30), "breaks AXI: m_axi_araddr changes from 0x8000[0-9a-f]+ to 0x8000[0-9a-f]+ while m_axi_arvalid waits"),
    (3, {}, "breaks AXI: m_axi_wvalid falls before m_axi_wready came$"),
    (4, {}, "breaks AXI: m_axi_wdata changes from 0x[0-9a-f]+ to 0x[0-9a-f]+ while m_axi_wvalid waits for m_axi_wready"),
    (5, {}, "breaks AXI: m_axi_wlast is 1 in beat 1 of the 16 at 0x80081000$"),
    (6, {}, "breaks AXI: m_axi_wlast is 0 in beat 16 of the 16 at 0x80081000$"),
    (7, {}, "breaks AXI: m_axi_arburst is 2; only bursts of type INCR"),
    (8, {}, "breaks AXI: s_axil_bvalid is 1, but no write has passed"),
    (9, {}, "breaks AXI: s_axil_rvalid is 1, but no read has passed"),
    (10, dict(BEAT_SIZE=2), "breaks AXI: m_axi_wstrb 0xffff has bytes outside of beat 1 of the 16 at 0x80081000, which has 0xf$"),
    (0, dict(SOURCE=RAM + 0xFC0), "breaks AXI: the burst of 0x80000fc0..0x800010bf on m_axi_ar crosses a boundary of 4096 bytes"),
    (0, dict(TARGET=RAM + 0xFC0), "breaks AXI: the burst of 0x80000fc0..0x800010bf on m_axi_aw crosses"),
    (0, dict(BEAT_SIZE=5), "breaks AXI: m_axi_arsize asks for 32 bytes a beat; the bus has 16"),
    (0, dict(SOURCE=RAM + RAM_BYTES), "0x80100000..0x801000ff on m_axi_ar is outside RAM, which is 0x80000000..0x800fffff"),
    (0, dict(TARGET=0x1000), "0x00001000..0x000010ff on m_axi_aw is outside RAM"),
    (11, {}, r"hangs: nothing has passed on its buses for 1000 of its cycles, .* busy 0; s_axil aw 0/1 w 0/0 b 0/1 ar 0/1 r 0/1;"),
    (12, {}, r"hangs: nothing .* for 1000 .* busy 1; .*; m_axi ar 0/1 r 0/1 aw 0/1 w 0/0 b 0/1 \(valid/ready\)$"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "shape", "message"), FAULTS)
def test_the_first_broken_rule_is_named_with_its_cycle(plugged, fault, shape, message):
    mover = plugged("mover.sv", silent_cycles=1000, ram={"latency_cycles": 200})
    with pytest.raises(Exception, match=NAMED + ".*" + message) as refusal:
        move(mover, **shape, FAULT=fault)
    assert type(refusal.value).__name__ == "SimulationError"


def test_a_valid_during_reset_is_named(plugged):
    mover = plugged("mover.sv")
    mover.write(FAULT=13)
    with pytest.raises(Exception, match=NAMED + "m_axi_arvalid is 1 during reset"):
        mover.write(CONTROL=2)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (14, "there is no such burst"),
        (15, r"ends the simulation with \$finish"),
        (16, "the module stops: Assertion failed in TOP.mover"),
    ],
)
def test_what_the_module_says_itself_names_its_line(plugged, fault, message):
    mover = plugged("mover.sv")
    with pytest.raises(Exception, match=rf"mover\.sv:\d+: .*{message}"):
        move(mover, FAULT=fault)
