/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax along the middle of three dimensions: the largest element is subtracted before exp. */
#ifndef ACALSIM_SOFTMAX_H
#define ACALSIM_SOFTMAX_H

#include <math.h>

/* y[o, s, i] = exp(x[o, s, i]) / sum over s, each of shape [outer, size, inner] */
static inline void softmax_f32(const float *x, float *y, long outer, long size, long inner) {
    for (long o = 0; o < outer; o++) {
        for (long i = 0; i < inner; i++) {
            const float *from = x + o * size * inner + i;
            float *to = y + o * size * inner + i;
            float largest = -INFINITY, sum = 0.0f;
            for (long s = 0; s < size; s++)
                if (!(from[s * inner] <= largest)) largest = from[s * inner];
            for (long s = 0; s < size; s++) {
                to[s * inner] = expf(from[s * inner] - largest);
                sum += to[s * inner];
            }
            for (long s = 0; s < size; s++) to[s * inner] /= sum;
        }
    }
}

#endif
