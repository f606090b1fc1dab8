// SPDX-License-Identifier: Apache-2.0
// N x N multiply-accumulate cells. Weights stay, rows of A stream in from the left, sums run down.
//
// Cell (r, c) sees what enters in cycle x in cycle x + r + c: a slot of A and its `first` flag, and
// a row of weights, which is written to row `load_row` only. A slot's sum is on `sums[c]` in cycle
// x + N + c. With a second set of registers (SHADOW), weights wait there for their tile's first slot.
module mac_array #(
    parameter int N = 16,
    parameter bit SHADOW = 1
) (
    input logic clk,

    input logic load,
    input logic [$clog2(N)-1:0] load_row,
    input logic [8*N-1:0] weights,

    input logic first,
    input logic [8*N-1:0] slot,

    output logic [31:0] sums[N]
);
  logic signed [7:0] a[N][N];
  logic first_at[N][N];
  logic signed [7:0] weight[N][N];
  logic signed [7:0] shadow[N][N];
  logic signed [31:0] sum[N][N];

  // Skew: row r of a slot waits r cycles, column c of a row of weights c cycles.
  logic [8*N-1:0] slots[N];
  logic firsts[N];
  logic [8*N-1:0] rows[N];
  logic loads[N];
  logic [$clog2(N)-1:0] load_rows[N];

  always_comb begin
    slots[0] = slot;
    firsts[0] = first;
    rows[0] = weights;
    loads[0] = load;
    load_rows[0] = load_row;
  end

  always_ff @(posedge clk) begin
    for (int i = 1; i < N; i++) begin
      slots[i] <= slots[i-1];
      firsts[i] <= firsts[i-1];
      rows[i] <= rows[i-1];
      loads[i] <= loads[i-1];
      load_rows[i] <= load_rows[i-1];
    end
  end

  function automatic logic signed [31:0] product(input logic signed [7:0] x, input logic signed [7:0] y);
    return 32'(16'(x) * 16'(y));
  endfunction

  // Downwards and to the right: a cell reads its neighbours' registers before they change.
  always_ff @(posedge clk) begin
    for (int r = N - 1; r >= 0; r--) begin
      for (int c = N - 1; c >= 0; c--) begin
        automatic logic signed [7:0] a_in = c == 0 ? slots[r][8*r+:8] : a[r][c==0?0 : c-1];
        automatic logic first_in = c == 0 ? firsts[r] : first_at[r][c==0?0 : c-1];
        automatic logic signed [31:0] above = r == 0 ? 0 : sum[r==0?0 : r-1][c];
        automatic logic signed [7:0] w = SHADOW && first_in ? shadow[r][c] : weight[r][c];
        automatic logic loaded = loads[c] && load_rows[c] == r[$clog2(N)-1:0];
        a[r][c] <= a_in;
        first_at[r][c] <= first_in;
        sum[r][c] <= above + product(a_in, w);
        if (SHADOW) begin
          if (loaded) shadow[r][c] <= rows[c][8*c+:8];
          if (first_in) weight[r][c] <= shadow[r][c];
        end else if (loaded) weight[r][c] <= rows[c][8*c+:8];
      end
    end
  end

  always_comb for (int c = 0; c < N; c++) sums[c] = sum[N-1][c];
endmodule
