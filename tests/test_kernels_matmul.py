# SPDX-License-Identifier: Apache-2.0
"""kernels/matmul.h and kernels/elementary.h: compiled for the host against numpy, vectors against scalars on QEMU."""

import ctypes
import shutil
import subprocess
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from acalsim_backend.errors import ToolchainError
from acalsim_backend.host import toolchain
from acalsim_backend.machine.file import load_machine
from qemu_fixtures import KERNELS

pytest_plugins = ["qemu_fixtures"]


@dataclass(frozen=True)
class Product:
    """a[batches, m, k] @ b[batches, k, n]; transposed operands are stored so; b may be shared by all batches."""

    m: int
    n: int
    k: int
    batches: int = 1
    a_is_transposed: bool = False
    b_is_transposed: bool = False
    b_is_shared: bool = False

    @property
    def name(self):
        marks = "".join(
            letter
            for letter, on in zip(
                "abs", (self.a_is_transposed, self.b_is_transposed, self.b_is_shared), strict=True
            )
            if on
        )
        return f"product_{self.batches}_{self.m}_{self.n}_{self.k}{marks}"

    @property
    def strides(self):
        """Batch, row and step of a, then batch, step and column of b."""
        a = (1, self.m) if self.a_is_transposed else (self.k, 1)
        b = (1, self.k) if self.b_is_transposed else (self.n, 1)
        return self.m * self.k, *a, 0 if self.b_is_shared else self.k * self.n, *b

    def code(self):
        """A function that computes 2 * product + column, and writes to y."""
        a_batch, a_row, a_step, b_batch, b_step, b_column = self.strides
        return f"""
INLINE void {self.name}_end(const void *context, long batch, long row, long column, int count, const float *sums) {{
    (void)context;
    UNROLL_SUMS
    for (int j = 0; j < count; j++)
        y[(batch * {self.m} + row) * {self.n} + column + j] = 2.0f * sums[j] + (float)(column + j);
}}
void {self.name}(void) {{
    matmul_f32(a, {a_batch}, {a_row}, {a_step}, b, {b_batch}, {b_step}, {b_column},
               {self.batches}, {self.m}, {self.n}, {self.k}, {self.name}_end, 0);
}}
"""


PRODUCTS = [
    *(
        Product(m, n, k)
        for m, n, k in ((1, 1, 1), (4, 6, 8), (1, 16, 8), (5, 7, 3), (2, 10, 4), (3, 7, 9), (13, 17, 11))
    ),
    *(Product(1, n, 33) for n in (10, 16, 70, 200)),
    *(Product(m, 20, 6, a_is_transposed=True) for m in (1, 2, 7)),
    *(
        Product(m, n, k, b_is_transposed=True)
        for m, n, k in ((1, 5, 40), (1, 70, 67), (2, 18, 32), (3, 9, 31), (8, 66, 5))
    ),
    *(Product(m, 1, k) for m, k in ((1, 50), (5, 64), (9, 33), (3, 5))),
    Product(6, 37, 5, batches=3),
    Product(3, 4, 5, batches=2, a_is_transposed=True, b_is_transposed=True),
    Product(2, 130, 4, batches=2, b_is_shared=True),
    *(Product(m, n, k) for m, n, k in ((0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0))),
    Product(2, 3, 4, batches=0),
    Product(2, 3, 0, batches=2, b_is_transposed=True),
]
MOST = 20000
SOURCE = f'#include "matmul.h"\nfloat a[{MOST}], b[{MOST}], y[{MOST}];\n' + "".join(
    p.code() for p in PRODUCTS
)

FUNCTIONS = {
    # name: (float64 reference, largest error in units of the last place, samples between)
    "exp": (np.exp, 1, (-110, 95)),
    "expm1": (np.expm1, 2, (-25, 95)),
    "log": (np.log, 1, (0, 100)),
    "log1p": (np.log1p, 2, (-1, 100)),
    "tanh": (np.tanh, 3, (-12, 12)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 4, (-87, 87)),
    "erf": (lambda x: torch.erf(torch.from_numpy(x)).numpy(), 2, (-5, 5)),
    "sin": (np.sin, 2, (-3e5, 3e5)),
    "cos": (np.cos, 2, (-3e5, 3e5)),
}
GELUS = ("gelu", "gelu_tanh")
LOOP = "void {0}_loop(const float *x, float *y, long n) {{ UNROLL_SCALAR(4)\n for (long i = 0; i < n; i++) y[i] = {0}_f32(x[i]); }}\n"
SOURCE += '#include "elementary.h"\n' + "".join(LOOP.format(name) for name in (*FUNCTIONS, *GELUS))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "kernels.c").write_text(SOURCE)
    warnings = [flag for flag in toolchain.COMMON_FLAGS if flag.startswith(("-W", "-f", "-std"))]
    # Only from -O2 on does gcc fuse multiply-adds.
    command = [
        "gcc",
        *warnings,
        "-O2",
        "-mfma",
        "-shared",
        "-fPIC",
        f"-I{KERNELS}",
        folder / "kernels.c",
        "-o",
        folder / "kernels.so",
    ]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(folder / "kernels.so"))


# --- Products ---------------------------------------------------------------------------------------


def array_of(library, name):
    return np.ctypeslib.as_array((ctypes.c_float * MOST).in_dll(library, name))


def operands(product, random):
    shape_a, shape_b = (product.batches, product.m, product.k), (product.batches, product.k, product.n)
    if product.b_is_shared:
        shape_b = (1, *shape_b[1:])
    return random.standard_normal(shape_a).astype("f4"), random.standard_normal(shape_b).astype("f4")


def stored(array, is_transposed):
    return (array.swapaxes(1, 2) if is_transposed else array).ravel()


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_products_are_numpys(library, product):
    left, right = operands(product, np.random.default_rng(3))
    a, b, y = (array_of(library, name) for name in "aby")
    a[: left.size], b[: right.size] = (
        stored(left, product.a_is_transposed),
        stored(right, product.b_is_transposed),
    )
    y[:] = -1e30
    getattr(library, product.name)()
    want = 2 * (left.astype("f8") @ right.astype("f8")) + np.arange(product.n)
    np.testing.assert_allclose(y[: want.size], want.ravel(), rtol=1e-5, atol=1e-5)
    assert (y[want.size :] == -1e30).all()


def test_sums_are_fused_from_zero_in_ascending_k(library):
    product = next(p for p in PRODUCTS if (p.m, p.n, p.k) == (13, 17, 11))
    left, right = operands(product, np.random.default_rng(5))
    a, b, y = (array_of(library, name) for name in "aby")
    a[: left.size], b[: right.size] = left.ravel(), right.ravel()
    getattr(library, product.name)()
    sums = np.zeros((product.m, product.n), "f4")
    for k in range(product.k):  # exact in float64 but for the sum, whose second rounding hardly ever matters
        sums = (left[0][:, k : k + 1].astype("f8") * right[0][k : k + 1].astype("f8") + sums).astype("f4")
    want = (2 * sums.astype("f8") + np.arange(product.n)).astype("f4").ravel()
    assert (y[: want.size] != want).sum() <= 1


# --- Elementary functions -----------------------------------------------------------------------------


def apply(library, name, x):
    y = np.empty_like(x)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, y)]
    getattr(library, f"{name}_loop")(*pointers, ctypes.c_long(x.size))
    return y


def last_place(values):
    """The distance between float32 numbers at these values, subnormal ones included."""
    return 2.0 ** np.maximum(np.floor(np.log2(np.maximum(np.abs(values), 1e-300))) - 23, -149)


def all_exponents():
    """Numbers of every exponent and both signs, about a million, NaN left out."""
    numbers = np.arange(0, 2**32, 4099, dtype="u8").astype("u4").view("f4")
    return numbers[~np.isnan(numbers)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_are_right_in_the_last_places(library, name):
    reference, places, (low, high) = FUNCTIONS[name]
    samples = [np.linspace(low, high, 200001), np.linspace(-2, 2, 200001), all_exponents()]
    x = np.concatenate(samples).astype("f4")
    if name in ("sin", "cos"):
        x = x[np.abs(x) < 1e6]
    elif name == "sigmoid":
        x = x[x > -88]  # further down PyTorch, too, has 1 / inf
    want, found = reference(x.astype("f8")), apply(library, name, x)
    is_finite = np.abs(want) < 2.0**128 * (1 - 2.0**-25)
    rounded = want.astype("f4")
    assert (found[~is_finite] == rounded[~is_finite])[~np.isnan(rounded[~is_finite])].all()
    assert np.isnan(found[np.isnan(want)]).all()
    error = np.abs(found[is_finite].astype("f8") - want[is_finite]) / last_place(want[is_finite])
    worst = error.argmax()
    assert error[worst] <= places, f"{name}({x[is_finite][worst]!r})"


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        1e-45,
        -1e-45,
        1e-30,
        -1e-30,
        3.4e38,
        -3.4e38,
        1,
        -1,
        88.8,
        -103.9,
        -200,
    ],
    "f4",
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_come_out_as_pytorch_has_them(library, name):
    x = SPECIAL[~(np.abs(SPECIAL) > 1e15) | np.isinf(SPECIAL)] if name in ("sin", "cos") else SPECIAL
    # In float64 and rounded: PyTorch's float32 kernels flush some subnormal results.
    want = getattr(torch, name)(torch.from_numpy(x).double()).numpy().astype("f4")
    if name == "sigmoid":
        want = torch.sigmoid(torch.from_numpy(x)).numpy()
    found = apply(library, name, x)
    np.testing.assert_allclose(found, want, rtol=3e-7, atol=0)
    zero = want == 0
    assert (np.signbit(found) == np.signbit(want))[zero].all()


@pytest.mark.parametrize(("name", "form"), [("gelu", "none"), ("gelu_tanh", "tanh")])
def test_gelus_are_pytorchs(library, name, form):
    x = np.linspace(-12, 12, 100001).astype("f4")
    want = torch.nn.functional.gelu(torch.from_numpy(x).double(), approximate=form).numpy()
    assert np.abs(apply(library, name, x) - want).max() < 1e-6
    assert np.isnan(apply(library, name, np.array([np.nan], "f4"))).all()


# --- Vectors ------------------------------------------------------------------------------------------

CHECK = """
#include "console.h"
#include "runtime.h"
#include "matmul.h"
#include "elementary.h"
float a[{most}], b[{most}], y[{most}];
{products}
static int wrong;
static void judge(const char *name, int is_right) {{
    if (!is_right) print(name), print("\\n"), wrong = 1;
}}
/* Whole numbers, whose sums are exact in any order. */
static float plain_sum(const long *s, long t, long i, long j, long k) {{
    float sum = 0.0f;
    _Pragma("clang loop vectorize(disable)")
    for (long l = 0; l < k; l++) sum += a[t * s[0] + i * s[1] + l * s[2]] * b[t * s[3] + l * s[4] + j * s[5]];
    return sum;
}}
static int is_product(const long *s, long batches, long m, long n, long k) {{
    for (long t = 0; t < batches; t++)
        for (long i = 0; i < m; i++)
            for (long j = 0; j < n; j++)
                if (y[(t * m + i) * n + j] != 2.0f * plain_sum(s, t, i, j, k) + (float)j) return 0;
    return batches * m * n == {most} || y[batches * m * n] == -1.0f;
}}
{loops}
static float found[1000], want[1000];
static int are_same(void) {{
    for (int i = 0; i < 1000; i++)
        if (bits_of(found[i]) != bits_of(want[i]) && (found[i] == found[i] || want[i] == want[i])) return 0;
    return 1;
}}
int main(void) {{
    for (int i = 0; i < {most}; i++) a[i] = (float)(i * 7 % 13 - 6), b[i] = (float)(i * 5 % 11 - 5);
    {calls}
    for (int i = 0; i < 1000; i++) a[i] = float_of((int32_t)((uint32_t)i * 4294968u)), a[i] = i < 600 ? (i - 300) * 0.07f : a[i];
    {compares}
    return wrong;
}}
"""


def check_program(products):
    names = (*FUNCTIONS, *GELUS)
    plain = LOOP.replace("_loop(", "_plain(").replace(
        "UNROLL_SCALAR(4)", '_Pragma("clang loop vectorize(disable)")'
    )
    calls = [
        f"for (int i = 0; i < {MOST}; i++) y[i] = -1.0f;\n    {p.name}();\n"
        f"    {{ const long strides[] = {{ {', '.join(map(str, p.strides))} }};"
        f' judge("{p.name}", is_product(strides, {p.batches}, {p.m}, {p.n}, {p.k})); }}'
        for p in products
    ]
    compares = [
        f'{n}_loop(a, found, 1000); {n}_plain(a, want, 1000); judge("{n}", are_same());' for n in names
    ]
    return CHECK.format(
        most=MOST,
        products="".join(p.code() for p in products),
        loops="".join(LOOP.format(n) + "__attribute__((noinline)) " + plain.format(n) for n in names),
        calls="\n    ".join(calls),
        compares="\n    ".join(compares),
    )


def vector_cpu(vlen):
    return replace(load_machine("vector").cpu, vlen=vlen)


def compiled(folder, source, cpu):
    """An object file for that CPU, warnings being errors."""
    compiler = toolchain.find_gcc() if toolchain.c_compiler(cpu) == "gcc" else toolchain.CLANG
    (folder / "program.c").write_text(source)
    command = [
        compiler,
        *toolchain.c_flags(cpu),
        f"-I{KERNELS}",
        "-c",
        folder / "program.c",
        "-o",
        folder / "program.o",
    ]
    subprocess.run(command, check=True)
    return folder / "program.o"


def test_machines_with_vectors_name_the_compiler_they_miss(monkeypatch, tmp_path):
    (tmp_path / "riscv64-unknown-elf-gcc").symlink_to(toolchain.find_gcc())
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain.find_compiler("rv64gc")
    with pytest.raises(
        ToolchainError,
        match=r"^no compiler 'clang-16', which machines with vectors need; .*apt install clang-16\)$",
    ):
        toolchain.find_compiler("rv64gcv")


def arguments(cpu):
    return ["-cpu", f"rv64,v=true,vext_spec=v1.0,vlen={cpu.vlen}"] if cpu.vlen else []


needs_clang = pytest.mark.skipif(shutil.which(toolchain.CLANG) is None, reason=f"needs {toolchain.CLANG}")


@needs_clang
@pytest.mark.parametrize("vlen", [128, 256, 512])
def test_vector_code_computes_what_scalar_code_does(firmware, run, tmp_path, vlen):
    cpu = vector_cpu(vlen)
    elf = firmware(f"vector{vlen}", extra=[compiled(tmp_path, check_program(PRODUCTS), cpu)])
    outcome = run(elf, arguments=arguments(cpu))
    assert (outcome.console, outcome.status) == ("", 0)


CHECKSUM = """
#include "console.h"
#include "elementary.h"
{loops}
static float x[2003], y[2003];
static void print_checksum(void) {{
    uint64_t sum = 0;
    for (int i = 0; i < 2003; i++) sum = sum * 31 + (y[i] != y[i] ? 1u : (uint32_t)bits_of(y[i]));
    print_hex(sum);
    print("\\n");
}}
int main(void) {{
    for (uint32_t i = 0; i < 2003; i++) x[i] = {sample};
    {calls}
    return 0;
}}
"""
SAMPLE = "i < 1000 ? ((int)i - 500) * 0.0625f : float_of((int32_t)(i * 2147483u))"


@pytest.mark.parametrize(
    "cpu",
    [load_machine("cpu").cpu, pytest.param(vector_cpu(256), marks=needs_clang)],
    ids=lambda cpu: cpu.isa,
)
def test_elementary_functions_are_the_same_on_the_machine_as_on_the_host(
    library, firmware, run, tmp_path, cpu
):
    names = (*FUNCTIONS, *GELUS)
    calls = "\n    ".join(f"{name}_loop(x, y, 2003);\n    print_checksum();" for name in names)
    source = CHECKSUM.format(loops="".join(LOOP.format(name) for name in names), sample=SAMPLE, calls=calls)
    elf = firmware(f"checksum{cpu.isa}", extra=[compiled(tmp_path, source, cpu)])
    i = np.arange(2003)
    bits = (i.astype("u8") * 2147483).astype("u4").view("f4")
    x = np.where(i < 1000, ((i - 500) * 0.0625).astype("f4"), bits)
    expected = []
    for name in names:
        y = apply(library, name, x)
        sum = 0
        for value in np.where(np.isnan(y), 1, y.view("u4").astype("i8")):
            sum = (sum * 31 + int(value)) % 2**64
        expected.append(sum)
    found = [int(line, 16) for line in run(elf, arguments=arguments(cpu)).console.split()]
    assert dict(zip(names, found, strict=True)) == dict(zip(names, expected, strict=True))
