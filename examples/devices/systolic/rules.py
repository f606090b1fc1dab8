# SPDX-License-Identifier: Apache-2.0
"""Products of int8 by constant weights go to the array, as far as its memories hold A and C."""

from acalsim_backend.rules import Op, Rule


class Product(Rule):
    matches = "GEMM_INT8"

    def shape(self, op: Op) -> tuple[int, ...]:
        """m, n, k; n and k filled up to multiples of the array's size."""
        size, (k, n) = self.device.parameters["size"], op.inputs[1].shape
        return op.inputs[0].elements // k, n, k, -(-n // size) * size, -(-k // size) * size

    def takes(self, op: Op) -> bool:
        m, n, k, n_whole, k_whole = self.shape(op)
        size, a_words, c_words = (self.device.parameters[key] for key in ("size", "a_words", "c_words"))
        return m * k_whole <= size * a_words and m * n_whole <= size * c_words

    def driver(self, op: Op) -> str:
        m, n, k, n_whole, k_whole = self.shape(op)
        return f"""
            enum {{ M = {m}, N = {n}, K = {k}, N_WHOLE = {n_whole}, K_WHOLE = {k_whole}, SIZE = SYSTOLIC_DEVICE_SIZE }};
            static _Alignas(256) int8_t a[M][K_WHOLE], b[N_WHOLE / SIZE][K_WHOLE][SIZE];  // zeros beyond N and K
            static _Alignas(256) int32_t c[M][N_WHOLE];
            for (int i = 0; i < M; i++) memcpy(a[i], x0 + i * K, K);
            for (int j = 0; j < N; j++)
                for (int i = 0; i < K; i++) b[j / SIZE][i][j % SIZE] = x1[i * N + j];
            WRITE(A, a); WRITE(B, b); WRITE(C, c); WRITE(M, M); WRITE(N, N); WRITE(K, K);
            RUN();
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) y[i * N + j] = (float)c[i][j] * x2[j]{" + x3[j]" * (len(op.inputs) > 3)};
        """
