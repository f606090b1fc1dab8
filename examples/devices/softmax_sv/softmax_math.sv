// SPDX-License-Identifier: Apache-2.0
// The arithmetic of softmax_unit: float32 in, fixed point, float32 out; a stage of the pipeline each function.
//
// A distance d = largest - x >= 0 makes exp(-d) = 2^-n 2^-f. 2^-f is taken from a table of 64 values, the
// rest g of f below 1/64 by 1 - u + u u / 2 with u = g ln 2. Quotients are right to 1e-6 of themselves;
// where d is 64 or more they are 0. NaN and infinity count as numbers beyond the largest.
package softmax_math;
  typedef struct packed {
    logic is_far;
    logic [31:0] d;  // 26 bits of it behind the point
  } distance_t;

  typedef struct packed {
    logic is_zero;
    logic [6:0] n;
    logic [23:0] f;  // all behind the point
  } power_t;

  typedef struct packed {
    logic is_zero;
    logic [6:0] n;
    logic [31:0] begin_of;  // of the piece: 31 bits behind the point
    logic [31:0] u;         // all behind the point
  } piece_t;

  // p 2^-n, with 31 bits of p behind the point.
  typedef struct packed {
    logic is_zero;
    logic [6:0] n;
    logic [31:0] p;
  } exponential_t;

  typedef struct packed {
    logic [31:0] divisor;
    logic [32:0] rest;
    logic [32:0] quotient;
    logic [4:0] exponent;
  } division_t;

  // r 2^-exponent, with 32 bits of r behind the point.
  typedef struct packed {
    logic [32:0] r;
    logic [4:0] exponent;
  } divided_t;

  localparam logic [30:0] LOG2_E = 31'h5c551d95;  // 30 bits behind the point
  localparam logic [31:0] LN_2 = 32'hb17217f8;    // 32 bits
  localparam int SUM_POINT = 44;                  // bits of a sum behind the point

  // 2^(-i / 64), 31 bits behind the point.
  localparam logic [31:0] POWERS[64] = '{
      32'h80000000, 32'h7e9f0606, 32'h7d41d96e, 32'h7be86fba, 32'h7a92be8b, 32'h7940bb9e, 32'h77f25cce, 32'h76a7980f,
      32'h75606374, 32'h741cb528, 32'h72dc8374, 32'h719fc4b9, 32'h70666f76, 32'h6f307a41, 32'h6dfddbcc, 32'h6cce8ae1,
      32'h6ba27e65, 32'h6a79ad56, 32'h69540ec9, 32'h683199ed, 32'h6712460b, 32'h65f60a7f, 32'h64dcdec3, 32'h63c6ba64,
      32'h62b39509, 32'h61a3666d, 32'h60962665, 32'h5f8bccdb, 32'h5e8451d0, 32'h5d7fad59, 32'h5c7dd7a4, 32'h5b7ec8f2,
      32'h5a82799a, 32'h5988e209, 32'h5891fac1, 32'h579dbc57, 32'h56ac1f75, 32'h55bd1cdb, 32'h54d0ad5a, 32'h53e6c9da,
      32'h52ff6b55, 32'h521a8ad7, 32'h51382182, 32'h50582888, 32'h4f7a9930, 32'h4e9f6cd4, 32'h4dc69cdd, 32'h4cf022ca,
      32'h4c1bf829, 32'h4b4a169c, 32'h4a7a77d4, 32'h49ad1598, 32'h48e1e9ba, 32'h4818ee22, 32'h47521cc6, 32'h468d6fae,
      32'h45cae0f2, 32'h450a6abb, 32'h444c0740, 32'h438fb0cb, 32'h42d561b4, 32'h421d1462, 32'h4166c34c, 32'h40b268fa
  };

  // Grows as the number does.
  function automatic logic [31:0] order(input logic [31:0] x);
    return x[31] ? ~x : {1'b1, x[30:0]};
  endfunction

  // The mantissa with its sign, 47 bits below the unit that the larger exponent stands for.
  function automatic logic signed [49:0] aligned(input logic [31:0] x, input logic [7:0] exponent);
    logic signed [49:0] mantissa;
    mantissa = x[30:23] == 0 ? 0 : 50'({1'b1, x[22:0], 24'b0} >> (exponent - x[30:23]));
    return x[31] ? -mantissa : mantissa;
  endfunction

  function automatic distance_t distance_of(input logic [31:0] largest, input logic [31:0] x);
    logic [7:0] exponent;
    logic [49:0] difference;
    logic [95:0] wide;
    exponent = largest[30:23] > x[30:23] ? largest[30:23] : x[30:23];
    difference = aligned(largest, exponent) - aligned(x, exponent);
    if (exponent > 148) wide = 96'(difference) << (exponent > 188 ? 40 : exponent - 148);
    else wide = 96'(difference) >> (148 - exponent);
    return '{wide[95:32] != 0, wide[31:0]};
  endfunction

  function automatic power_t power_of(input distance_t distance);
    logic [62:0] product;
    product = 63'(distance.d) * LOG2_E;
    return '{distance.is_far, product[62:56], product[55:32]};
  endfunction

  function automatic piece_t piece_of(input power_t power);
    logic [49:0] product;
    product = 50'(power.f[17:0]) * LN_2;
    return '{power.is_zero, power.n, POWERS[power.f[23:18]], 32'(product >> 24)};
  endfunction

  function automatic exponential_t exponential_of(input piece_t piece);
    logic [63:0] square;
    logic [32:0] factor;
    logic [64:0] product;
    square = 64'(piece.u) * piece.u;
    factor = {1'b1, 32'b0} - piece.u + 33'(square >> 33);
    product = 65'(piece.begin_of) * factor;
    return '{piece.is_zero, piece.n, 32'(product >> 32)};
  endfunction

  function automatic logic [63:0] addend_of(input exponential_t e);
    return e.is_zero ? 0 : {19'b0, e.p, 13'b0} >> e.n;
  endfunction

  // A sum is at least 1: the largest element's exponential.
  function automatic division_t division_of(input logic [63:0] sum);
    logic [4:0] exponent;
    exponent = 0;
    for (int i = 1; SUM_POINT + i < 64; i++) if (sum[SUM_POINT+i]) exponent = 5'(i);
    return '{32'(sum >> (32'(exponent) + SUM_POINT - 31)), 33'h0_8000_0000, 33'b0, exponent};
  endfunction

  function automatic division_t division_after(input division_t now, input int steps);
    division_after = now;
    for (int i = 0; i < steps; i++) begin
      automatic logic takes = division_after.rest >= 33'(division_after.divisor);
      automatic logic [32:0] rest = division_after.rest - (takes ? division_after.divisor : 0);
      division_after.quotient = {division_after.quotient[31:0], takes};
      division_after.rest = rest << 1;
    end
  endfunction

  // e r as a float32, rounded.
  function automatic logic [31:0] quotient_of(input exponential_t e, input divided_t divided);
    logic [64:0] product;
    logic [6:0] first;
    logic [7:0] exponent;
    logic [23:0] half_more;
    product = 65'(e.p) * divided.r;
    first = 0;
    for (int i = 0; i < 65; i++) if (product[i]) first = 7'(i);
    exponent = 8'(127 - 63 + 32'(first) - 32'(e.n) - 32'(divided.exponent));
    half_more = 24'(product << (64 - first) >> 40);  // the bits behind the first one, and one to round with
    return e.is_zero ? 0 : 32'({exponent, half_more[23:1]}) + 32'(half_more[0]);
  endfunction
endpackage
