# SPDX-License-Identifier: Apache-2.0
"""kernels/matmul.h and elementary.h compiled for this machine, and what they should compute."""

import ctypes
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from acalsim_backend.host import toolchain
from qemu_fixtures import KERNELS


@dataclass(frozen=True)
class Product:
    """a[batches, m, k] @ b[batches, k, n]; transposed operands are stored so.

    All batches may share one b.
    """

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
INLINE void {self.name}_end(const void *context, long batch, long row, long column, int count,
                            const float *sums) {{
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
LOOP = """\
void {0}_loop(const float *x, float *y, long n) {{ UNROLL_SCALAR(4)
 for (long i = 0; i < n; i++) y[i] = {0}_f32(x[i]); }}
"""
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


def apply(library, name, x):
    y = np.empty_like(x)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, y)]
    getattr(library, f"{name}_loop")(*pointers, ctypes.c_long(x.size))
    return y
