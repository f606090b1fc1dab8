# SPDX-License-Identifier: Apache-2.0
"""The plugin's instruction decoder against objdump: on a whole C library, and on every mnemonic."""

import ctypes
import re
import subprocess
from pathlib import Path

import pytest
from acalsim_backend.host import qemu
from acalsim_backend.machine.headers import registers_header
from acalsim_backend.machine.rows import LATENCIES
from qemu_fixtures import cross

pytestmark = pytest.mark.quick

CLASSES = [row.name for row in LATENCIES]
NEXT, BRANCH, JUMP, INDIRECT = range(4)
WORKS = ("none", "one", "group", "wide", "divide", "elements", "registers")
LENGTH_KEPT, LENGTH_UNKNOWN = -1, -2


class Setting(ctypes.Structure):
    _fields_ = [
        ("is_set", ctypes.c_bool),
        ("element_bits", ctypes.c_uint8),
        ("group_log2", ctypes.c_int8),
        ("length", ctypes.c_int8),
    ]


class Instruction(ctypes.Structure):
    _fields_ = [
        ("word", ctypes.c_uint32),
        *((name, ctypes.c_uint8) for name in ("length", "latency_class", "flow")),
        ("holds", ctypes.c_bool),
        *((name, ctypes.c_uint8) for name in ("reads", "writes", "access_bytes")),
        ("vector_read", ctypes.c_bool),
        ("vector_write", ctypes.c_bool),
        ("destination", ctypes.c_int8),
        ("sources", ctypes.c_int8 * 3),
        ("offset", ctypes.c_int32),
        ("vector_work", ctypes.c_uint8),
        ("vector_fields", ctypes.c_uint8),
        ("reduces", ctypes.c_bool),
        ("setting", Setting),
    ]


@pytest.fixture(scope="session")
def decode(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decode")
    (folder / "registers.h").write_text(registers_header())
    command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}"]
    sources = sorted(qemu.SIM.glob("qemu/decode*.c"))
    subprocess.run([*command, *sources, "-o", folder / "decode.so"], check=True)
    library = ctypes.CDLL(str(folder / "decode.so"))

    def decode_word(word):
        out = Instruction()
        library.decode(ctypes.c_uint32(word), ctypes.byref(out))
        return out

    return decode_word


# --- What objdump says, in our words ----------------------------------------------------------------

INTEGER = "add addi addw addiw sub subw sll slli sllw slliw srl srli srlw srliw sra srai sraw sraiw"
INTEGER += " slt slti sltu sltiu xor xori or ori and andi lui auipc li mv addi4spn addi16sp nop"
FLOAT_OTHER = "fsgnj fsgnjn fsgnjx fmin fmax feq flt fle fclass fcvt fmv"
FUSED = "fmadd fmsub fnmadd fnmsub"
SYSTEM = "fence fence.i ecall ebreak sret wfi sfence.vma csrrw csrrs csrrc csrrwi csrrsi csrrci unimp"
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8, "flw": 4, "fld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8, "fsw": 4, "fsd": 8}
BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez"]
ENDS_FLOW = ["ecall", "ebreak", "mret", "sret", "sfence.vma", "unimp"]


def plain(mnemonic):
    """Without the mark of compression, ordering suffixes and stack-pointer variants."""
    name = re.sub(r"^c\.|\.(aqrl|aq|rl)$", "", mnemonic)
    return name.removesuffix("sp") if name in ("lwsp", "ldsp", "fldsp", "swsp", "sdsp", "fsdsp") else name


def class_of(mnemonic):
    name = plain(mnemonic)
    kind = name.split(".")[0]
    if name in LOADS:
        return "load_narrow" if LOADS[name] < 4 else "load"
    table = {"store": STORES, "branch": BRANCHES, "jump": ("j", "jal", "jr", "jalr"),
             "integer": INTEGER.split(),
             "system": SYSTEM.split(), "trap": ["mret"],
             "multiply": ["mul", "mulh", "mulhu", "mulhsu", "mulw"],
             "divide": ["div", "divu", "divw", "divuw", "rem", "remu", "remw", "remuw"]}  # fmt: skip
    for label, names in table.items():
        if name in names:
            return label
    if kind in ("lr", "sc") or kind.startswith("amo"):
        return "atomic"
    if kind.startswith("v"):
        return "integer" if kind.startswith("vset") else "vector"
    if kind in FLOAT_OTHER.split():
        return "float_other"
    width = {"s": "f32", "d": "f64"}[name.split(".")[1]]
    unit = {"fadd": "add", "fsub": "add", "fdiv": "divide", "fsqrt": "divide"}.get(kind, "multiply")
    assert unit != "multiply" or kind in ("fmul", *FUSED.split()), mnemonic
    return f"{width}_{unit}"


def number(text):
    """Our number of a register as objdump writes it, or None."""
    found = re.fullmatch(r"([xfv])(\d+)", text)
    return {"x": 0, "f": 32, "v": 64}[found[1]] + int(found[2]) if found else None


def registers_of(mnemonic, operands):
    """(destination or None, set of sources), both without x0, from the operands' text."""
    name = plain(mnemonic)
    parts = [part for part in re.split(r"[,()]", operands.split("#")[0].split("<")[0].strip()) if part]
    if name in (*BRANCHES, "j", "jal"):
        parts.pop()  # the target
    found = [n for n in map(number, parts) if n is not None]
    if name in STORES or name in BRANCHES:
        destination, sources = None, found
    elif name in ("jr", "jalr") and mnemonic.startswith("c."):
        destination, sources = (1 if name == "jalr" else None), found
    elif not found or name == "sfence.vma":
        destination, sources = None, []
    else:
        destination, sources = found[0], found[1:]
        two_operand = mnemonic.startswith("c.") and name not in ("li", "mv", "lui", "addi4spn", *LOADS)
        if two_operand:
            sources = found
    return destination or None, {source for source in sources if source}


def check(instruction, mnemonic, operands, length, address=0):
    """None, or what the decoder got wrong."""
    name, problems = plain(mnemonic), []

    def expect(what, ours, theirs):
        if ours != theirs:
            problems.append(f"{what} is {ours}, not {theirs}")

    destination, sources = registers_of(mnemonic, operands)
    expect("length", instruction.length, length)
    expect("class", CLASSES[instruction.latency_class], class_of(mnemonic))
    expect("destination", None if instruction.destination < 0 else instruction.destination, destination)
    expect("sources", {s for s in instruction.sources if s > 0}, sources)
    if not name.startswith(("amo", "lr.", "sc.", "v")):
        expect("reads", instruction.reads, int(name in LOADS))
        expect("writes", instruction.writes, int(name in STORES))
        expect("access_bytes", instruction.access_bytes, {**LOADS, **STORES}.get(name, 0))
    flow = (
        BRANCH
        if name in BRANCHES
        else {"j": JUMP, "jal": JUMP, "jr": INDIRECT, "jalr": INDIRECT}.get(name, NEXT)
    )
    expect("flow", instruction.flow, INDIRECT if name in ENDS_FLOW else flow)
    if flow in (BRANCH, JUMP):
        target = int(operands.split("<")[0].strip().split(",")[-1], 16)
        expect("target", address + instruction.offset, target)
    return problems and f"{mnemonic} {operands}: {'; '.join(problems)}"


def disassemble(path):
    """(address, word, length, mnemonic, operands) of every instruction."""
    text = cross("objdump", "-d", "-M", "no-aliases,numeric", path)
    for line in text.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\t([0-9a-f]+)\s*\t(\S+)(?:\t(.*))?$", line)
        if found:
            yield int(found[1], 16), int(found[2], 16), len(found[2]) // 2, found[3], found[4] or ""


# --- Tests --------------------------------------------------------------------------------------------


def test_a_whole_c_library_is_decoded_as_objdump_does(decode):
    multilib = cross("gcc", "-march=rv64gc", "-mabi=lp64d", "-print-multi-directory").strip()
    archive = next(Path("/usr/lib/picolibc").rglob(f"lib/{multilib}/libc.a"))
    wrong, count = [], 0
    for address, word, length, mnemonic, operands in disassemble(archive):
        if mnemonic.startswith("."):
            continue
        problem = check(decode(word), mnemonic, operands, length, address)
        wrong += [problem] if problem else []
        count += 1
    assert wrong[:20] == []
    assert count > 40000


EVERY = """
    lb x5,1(x6); lbu x5,1(x6); lh x5,2(x6); lhu x5,2(x6); lw x5,4(x6); lwu x5,4(x6); ld x5,8(x6)
    flw f5,4(x6); fld f5,8(x6)
    sb x5,1(x6); sh x5,2(x6); sw x5,4(x6); sd x5,8(x6); fsw f5,4(x6); fsd f5,8(x6)
    c.lw x8,4(x9); c.ld x8,8(x9); c.fld f8,8(x9); c.lwsp x7,4(x2); c.ldsp x7,8(x2); c.fldsp f7,8(x2)
    c.sw x8,4(x9); c.sd x8,8(x9); c.fsd f8,8(x9); c.swsp x7,4(x2); c.sdsp x7,8(x2); c.fsdsp f7,8(x2)
    mul x5,x6,x7; mulh x5,x6,x7; mulhu x5,x6,x7; mulhsu x5,x6,x7; mulw x5,x6,x7
    div x5,x6,x7; divu x5,x6,x7; rem x5,x6,x7; remu x5,x6,x7; divw x5,x6,x7; divuw x5,x6,x7
    remw x5,x6,x7; remuw x5,x6,x7
    sll x5,x6,x7; srl x5,x6,x7; sra x5,x6,x7; slt x5,x6,x7; sltu x5,x6,x7; slti x5,x6,7
    sltiu x5,x6,7; xori x5,x6,7
    addw x5,x6,x7; sllw x5,x6,x7; srlw x5,x6,x7; sraw x5,x6,x7; subw x5,x6,x7; addiw x5,x6,7
    lui x5,7; auipc x5,7
    slliw x5,x6,7; srliw x5,x6,7; sraiw x5,x6,7; c.lui x5,7; c.addi16sp x2,32; c.addi4spn x8,x2,8
    c.nop; c.li x5,7
    c.slli x5,7; c.srli x8,7; c.srai x8,7; c.andi x8,7; c.sub x8,x9; c.xor x8,x9; c.or x8,x9
    c.and x8,x9; c.subw x8,x9
    c.addw x8,x9; c.addiw x5,7; c.mv x5,x6; c.add x5,x6; c.jr x5; c.jalr x5; c.ebreak
    jalr x5,4(x6); jalr x0,0(x1)
    fmadd.s f1,f2,f3,f4; fmsub.s f1,f2,f3,f4; fnmadd.s f1,f2,f3,f4; fnmsub.s f1,f2,f3,f4
    fmadd.d f1,f2,f3,f4; fmsub.d f1,f2,f3,f4; fnmadd.d f1,f2,f3,f4; fnmsub.d f1,f2,f3,f4
    fadd.s f1,f2,f3; fsub.s f1,f2,f3; fmul.s f1,f2,f3; fdiv.s f1,f2,f3; fsqrt.s f1,f2
    fadd.d f1,f2,f3; fsub.d f1,f2,f3; fmul.d f1,f2,f3; fdiv.d f1,f2,f3; fsqrt.d f1,f2
    fsgnj.s f1,f2,f3; fsgnjn.s f1,f2,f3; fsgnjx.d f1,f2,f3; fmin.s f1,f2,f3; fmax.d f1,f2,f3
    fclass.s x1,f2; fclass.d x1,f2
    feq.s x1,f2,f3; flt.s x1,f2,f3; fle.d x1,f2,f3; fcvt.s.d f1,f2; fcvt.d.s f1,f2
    fcvt.w.s x1,f2; fcvt.wu.s x1,f2; fcvt.l.s x1,f2; fcvt.lu.d x1,f2; fcvt.s.w f1,x2
    fcvt.s.wu f1,x2; fcvt.d.l f1,x2
    fmv.x.w x1,f2; fmv.x.d x1,f2; fmv.w.x f1,x2; fmv.d.x f1,x2
    csrrw x5,mscratch,x6; csrrs x5,mcycle,x0; csrrc x5,mstatus,x6; csrrwi x5,fflags,3
    csrrsi x5,fflags,3; csrrci x5,fflags,3
    fence rw,rw; fence.i; ecall; ebreak; mret; sret; wfi; sfence.vma x5,x6
    lr.w x5,(x6); lr.d x5,(x6); sc.w x5,x7,(x6); sc.d.rl x5,x7,(x6)
    amoadd.w x5,x7,(x6); amoswap.d.aq x5,x7,(x6); amoand.w x5,x7,(x6); amoor.d x5,x7,(x6); amoxor.w x5,x7,(x6)
    amomin.w x5,x7,(x6); amomax.d x5,x7,(x6); amominu.w x5,x7,(x6); amomaxu.d.aqrl x5,x7,(x6)
"""


def assemble(folder, text, arch="rv64gc"):
    source, output = folder / "every.S", folder / "every.o"
    source.write_text(text.replace(";", "\n"))
    cross("gcc", f"-march={arch}", "-mabi=lp64d", "-Wa,-mno-relax", "-c", source, "-o", output)
    return list(disassemble(output))


def test_every_mnemonic_of_rv64gc_is_decoded_as_objdump_does(decode, tmp_path):
    every = [line.strip() for line in re.split("[;\n]", EVERY)]
    lines = assemble(
        tmp_path, "\n".join(f".option {'' if line[:2] == 'c.' else 'no'}rvc\n{line}" for line in every)
    )
    wrong = [check(decode(word), mnemonic, operands, length) for _, word, length, mnemonic, operands in lines]
    assert [problem for problem in wrong if problem] == []
    assert len(lines) == sum(map(bool, every))


@pytest.mark.parametrize(
    ("line", "reads", "writes", "size"),
    [("lr.w x5,(x6)", 1, 0, 4), ("lr.d x5,(x6)", 1, 0, 8), ("sc.w x5,x7,(x6)", 0, 1, 4),
     ("sc.d x5,x7,(x6)", 0, 1, 8),
     ("amoadd.w x5,x7,(x6)", 1, 1, 4), ("amomaxu.d x5,x7,(x6)", 1, 1, 8)],
)  # fmt: skip
def test_atomics_read_write_or_both(decode, tmp_path, line, reads, writes, size):
    [(_, word, *_)] = assemble(tmp_path, line)
    found = decode(word)
    assert (found.reads, found.writes, found.access_bytes) == (reads, writes, size)


X, F, V = 0, 32, 64
VECTOR = [
    # (instruction, reads, writes, bytes an element or 0, destination, sources)
    ("vle8.v v4,(x5)", 1, 0, 1, V + 4, {5}),
    ("vle16.v v4,(x5),v0.t", 1, 0, 2, V + 4, {5}),
    ("vle32.v v4,(x5)", 1, 0, 4, V + 4, {5}),
    ("vle64.v v4,(x5)", 1, 0, 8, V + 4, {5}),
    ("vlse32.v v4,(x5),x6", 1, 0, 4, V + 4, {5, 6}),
    ("vluxei32.v v4,(x5),v8", 1, 0, 0, V + 4, {5, V + 8}),
    ("vloxei64.v v4,(x5),v8", 1, 0, 0, V + 4, {5, V + 8}),
    ("vlseg2e32.v v4,(x5)", 1, 0, 4, V + 4, {5}),
    ("vl1re32.v v4,(x5)", 1, 0, 4, V + 4, {5}),
    ("vse8.v v4,(x5)", 0, 1, 1, None, {5, V + 4}),
    ("vse64.v v4,(x5)", 0, 1, 8, None, {5, V + 4}),
    ("vsse32.v v4,(x5),x6", 0, 1, 4, None, {5, 6, V + 4}),
    ("vsuxei32.v v4,(x5),v8", 0, 1, 0, None, {5, V + 8, V + 4}),
    ("vs1r.v v4,(x5)", 0, 1, 1, None, {5, V + 4}),
    ("vadd.vv v4,v5,v6", 0, 0, 0, V + 4, {V + 5, V + 6}),
    ("vadd.vx v4,v5,x6", 0, 0, 0, V + 4, {V + 5, 6}),
    ("vadd.vi v4,v5,3", 0, 0, 0, V + 4, {V + 5}),
    ("vfadd.vf v4,v5,f6", 0, 0, 0, V + 4, {V + 5, F + 6}),
    ("vfmacc.vf v4,f6,v5", 0, 0, 0, V + 4, {V + 4, V + 5, F + 6}),
    ("vfmacc.vv v4,v6,v5", 0, 0, 0, V + 4, {V + 4, V + 5, V + 6}),
    ("vfmadd.vv v4,v6,v5", 0, 0, 0, V + 4, {V + 4, V + 5, V + 6}),
    ("vfwmacc.vv v4,v6,v5", 0, 0, 0, V + 4, {V + 4, V + 5, V + 6}),
    ("vmacc.vx v4,x6,v5", 0, 0, 0, V + 4, {V + 4, V + 5, 6}),
    ("vmul.vv v4,v5,v6", 0, 0, 0, V + 4, {V + 5, V + 6}),
    ("vmv.x.s x4,v5", 0, 0, 0, 4, {V + 5}),
    ("vfmv.f.s f4,v5", 0, 0, 0, F + 4, {V + 5}),
    ("vmv.s.x v4,x5", 0, 0, 0, V + 4, {5}),
    ("vmv.v.i v4,5", 0, 0, 0, V + 4, set()),
    ("vmv.v.v v4,v5", 0, 0, 0, V + 4, {V + 5}),
    ("vmerge.vvm v4,v5,v6,v0", 0, 0, 0, V + 4, {V + 5, V + 6}),
    ("vfcvt.f.x.v v4,v5", 0, 0, 0, V + 4, {V + 5}),
    ("vfredusum.vs v4,v5,v6", 0, 0, 0, V + 4, {V + 5, V + 6}),
    ("vsetvli x4,x5,e32,m1,ta,ma", 0, 0, 0, 4, {5}),
    ("vsetivli x4,5,e32,m1,ta,ma", 0, 0, 0, 4, set()),
    ("vsetvl x4,x5,x6", 0, 0, 0, 4, {5, 6}),
]


def test_vector_instructions_tell_their_accesses_and_registers(decode, tmp_path):
    lines = assemble(tmp_path, ";".join(row[0] for row in VECTOR), "rv64gcv")
    for (_, word, *_), (line, reads, writes, size, destination, sources) in zip(lines, VECTOR, strict=True):
        found = decode(word)
        assert CLASSES[found.latency_class] == class_of(line.split()[0]), line
        assert (found.vector_read, found.vector_write, found.access_bytes) == (reads, writes, size), line
        assert (None if found.destination < 0 else found.destination) == destination, line
        assert {source for source in found.sources if source > 0} == sources, line


VECTOR_WORK = {
    "one": "vmv.x.s x4,v5; vfmv.f.s f4,v5; vmv.s.x v4,x5; vfmv.s.f v4,f5; vcpop.m x4,v5; vfirst.m x4,v5;"
    " vmand.mm v4,v5,v6;"
    " vlm.v v4,(x5); vsm.v v4,(x5)",
    "group": "vadd.vv v4,v5,v6; vadd.vi v4,v5,3; vfmacc.vf v4,f6,v5; vmul.vx v4,v5,x6;"
    " vmerge.vvm v4,v5,v6,v0; vmv.v.i v4,0;"
    " vmflt.vf v4,v5,f6; vfcvt.x.f.v v4,v5; vid.v v4; vredsum.vs v4,v5,v6; vfredusum.vs v4,v5,v6;"
    " vslidedown.vi v4,v5,1;"
    " vle32.v v4,(x5); vse8.v v4,(x5); vle32ff.v v4,(x5); vlseg3e32.v v4,(x5); vsll.vi v4,v5,2;"
    " vsext.vf2 v4,v5; vfclass.v v4,v5",
    "wide": "vwadd.vv v4,v6,v7; vwmul.vx v4,v6,x7; vfwmacc.vv v4,v6,v7; vfwadd.wf v4,v6,f7;"
    " vnsrl.wi v4,v6,1; vnclip.wx v4,v6,x7;"
    " vfwcvt.f.f.v v4,v6; vfncvt.f.f.w v4,v6; vwredsum.vs v4,v5,v6; vfwredusum.vs v4,v5,v6",
    "divide": "vdiv.vv v4,v5,v6; vremu.vx v4,v5,x6; vfdiv.vf v4,v5,f6; vfrdiv.vf v4,v5,f6; vfsqrt.v v4,v5",
    "elements": "vlse32.v v4,(x5),x6; vsse8.v v4,(x5),x6; vluxei32.v v4,(x5),v8; vsoxei16.v v4,(x5),v8;"
    " vlsseg2e32.v v4,(x5),x6;"
    " vrgather.vv v4,v5,v6; vfredosum.vs v4,v5,v6",
    "registers": "vl4re32.v v4,(x5); vs8r.v v8,(x5); vmv2r.v v4,v6",
    "none": "vsetvli x4,x5,e32,m1,ta,ma; add x4,x5,x6; flw f4,0(x5)",
}  # fmt: skip
FIELDS = {"vlseg3e32.v": 3, "vlsseg2e32.v": 2, "vl4re32.v": 4, "vs8r.v": 8, "vmv2r.v": 2}


def test_vector_instructions_tell_how_they_keep_the_vector_unit(decode, tmp_path):
    rows = [(work, line.strip()) for work, lines in VECTOR_WORK.items() for line in lines.split(";")]
    lines = assemble(tmp_path, "\n".join(line for _, line in rows), "rv64gcv")
    for (_, word, *_), (work, line) in zip(lines, rows, strict=True):
        found, mnemonic = decode(word), line.split()[0]
        assert WORKS[found.vector_work] == work, line
        assert work == "none" or found.vector_fields == FIELDS.get(mnemonic, 1), line
        assert found.reduces == ("red" in mnemonic), line


@pytest.mark.parametrize(
    ("line", "element_bits", "group_log2", "length"),
    [
        ("vsetvli x4,x5,e32,m1,ta,ma", 32, 0, LENGTH_UNKNOWN),
        ("vsetvli x0,x5,e8,m8,ta,ma", 8, 3, LENGTH_UNKNOWN),
        ("vsetvli x4,x0,e64,mf8,ta,ma", 64, -3, LENGTH_UNKNOWN),
        ("vsetvli x0,x0,e16,mf2,tu,mu", 16, -1, LENGTH_KEPT),
        ("vsetivli x4,17,e32,m4,ta,ma", 32, 2, 17),
        ("vsetivli x0,0,e32,m4,ta,ma", 32, 2, 0),
        ("vsetvl x4,x5,x6", 0, 0, LENGTH_UNKNOWN),
    ],
)
def test_vector_settings_are_decoded(decode, tmp_path, line, element_bits, group_log2, length):
    [(_, word, *_)] = assemble(tmp_path, line, "rv64gcv")
    setting = decode(word).setting
    assert setting.is_set
    assert (setting.element_bits, setting.group_log2, setting.length) == (element_bits, group_log2, length)


def test_any_word_is_decoded_to_something_harmless(decode):
    words = [0, 0xFFFFFFFF, *((n * 2654435761) % 2**32 for n in range(20000))]
    for word in words:
        found = decode(word)
        assert found.length == (4 if word & 3 == 3 else 2)
        assert found.latency_class < len(CLASSES)
        assert all(-1 <= register < 96 for register in (found.destination, *found.sources))
        assert -3 <= found.setting.group_log2 <= 3
        assert found.vector_work < len(WORKS)
