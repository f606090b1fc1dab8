// SPDX-License-Identifier: Apache-2.0
// C[m,n] = A[m,k] @ B[k,n], int8 in, int32 out, on a weight-stationary array of SIZE x SIZE.
//
//@ parameter size = 16 in 4..64: rows and columns of the array, a power of two
//@ parameter overlap = double of serial, single, double: of a tile's work with the next one's
//@ parameter a_words = 4096 in 16..65536: rows of SIZE bytes that the memory of A holds
//@ parameter b_words = 4096 in 128..65536: likewise of B
//@ parameter c_words = 4096 in 16..65536: rows of SIZE sums that the memory of C holds
//@ register A at 0x20 RW: address of A: m rows, each filled up with zeros to a multiple of SIZE bytes
//@ register B at 0x24 RW: address of B: tiles of SIZE x SIZE bytes, column of tiles after column of tiles
//@ register C at 0x28 RW: address of C: m rows, each as long as a multiple of SIZE sums
//@ register M at 0x2C RW: rows of A and C
//@ register N at 0x30 RW: columns of B and C
//@ register K at 0x34 RW: columns of A, rows of B
//@ register TILE_M at 0x38 RW: rows of A that stream through a tile of B; 0: all
//@ register AHEAD at 0x3C RW: 1: all of B is fetched before the array begins; 0: two tiles ahead of it
//@ register ARRAY_CYCLES at 0x40 R: of the last product, from the first weight in to the last sum out
//
// Work: A is read, the array works through the tiles, C is written. With AHEAD = 0, ARRAY_CYCLES begin
// with the first byte of B that is asked for, as those of acalsim_backend.timing do.
module systolic #(
    parameter int SIZE = 16,
    parameter int OVERLAP = 2,
    parameter int A_WORDS = 4096,
    parameter int B_WORDS = 4096,
    parameter int C_WORDS = 4096,
    parameter int DATA_WIDTH = 8 * SIZE
) (
    input logic clk,
    input logic rst_n,
    output logic busy,
    output logic irq,

    input logic [11:0] s_axil_awaddr,
    input logic s_axil_awvalid,
    output logic s_axil_awready,
    input logic [31:0] s_axil_wdata,
    input logic [3:0] s_axil_wstrb,
    input logic s_axil_wvalid,
    output logic s_axil_wready,
    output logic [1:0] s_axil_bresp,
    output logic s_axil_bvalid,
    input logic s_axil_bready,
    input logic [11:0] s_axil_araddr,
    input logic s_axil_arvalid,
    output logic s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0] s_axil_rresp,
    output logic s_axil_rvalid,
    input logic s_axil_rready,

    output logic m_axi_arid,
    output logic [31:0] m_axi_araddr,
    output logic [7:0] m_axi_arlen,
    output logic [2:0] m_axi_arsize,
    output logic [1:0] m_axi_arburst,
    output logic m_axi_arvalid,
    input logic m_axi_arready,
    input logic m_axi_rid,
    input logic [DATA_WIDTH-1:0] m_axi_rdata,
    input logic [1:0] m_axi_rresp,
    input logic m_axi_rlast,
    input logic m_axi_rvalid,
    output logic m_axi_rready,
    output logic m_axi_awid,
    output logic [31:0] m_axi_awaddr,
    output logic [7:0] m_axi_awlen,
    output logic [2:0] m_axi_awsize,
    output logic [1:0] m_axi_awburst,
    output logic m_axi_awvalid,
    input logic m_axi_awready,
    output logic [DATA_WIDTH-1:0] m_axi_wdata,
    output logic [DATA_WIDTH/8-1:0] m_axi_wstrb,
    output logic m_axi_wlast,
    output logic m_axi_wvalid,
    input logic m_axi_wready,
    input logic m_axi_bid,
    input logic [1:0] m_axi_bresp,
    input logic m_axi_bvalid,
    output logic m_axi_bready
);
  localparam int SINGLE = 1, DOUBLE = 2;  // OVERLAP; 0 is serial
  localparam int BYTES = DATA_WIDTH / 8;  // of a beat: a row of A's tile, or of B's
  localparam int BURST = SIZE < 16 ? SIZE : 16;  // beats at most; aligned, so that none crosses 4 KiB
  localparam int DEPTH = 2;  // tiles of B ahead of the array
  localparam int QUARTER = SIZE / 4;  // sums a beat

  if (SIZE & (SIZE - 1)) $error("size is no power of two");

  // --- Registers ------------------------------------------------------------------------------------

  localparam int ERROR_SIZE = 1, ERROR_ALIGNMENT = 2;
  logic write, started, interrupts, done, ended;
  logic [11:0] write_offset, read_offset;
  logic [31:0] write_data, read_data, result, cycles;
  logic [31:0] a_address, b_address, c_address;
  logic [15:0] m, n, k, tile_m;
  logic ahead;

  axil_registers registers (.*);

  wire start = write && write_offset == 12'h00C && write_data[0];

  always_comb begin
    unique case (read_offset)
      12'h008: read_data = {29'b0, done && result != 0, done && result == 0, busy};
      12'h00C: read_data = {29'b0, interrupts, 1'b0, started};
      12'h014: read_data = result;
      12'h020: read_data = a_address;
      12'h024: read_data = b_address;
      12'h028: read_data = c_address;
      12'h02C: read_data = 32'(m);
      12'h030: read_data = 32'(n);
      12'h034: read_data = 32'(k);
      12'h038: read_data = 32'(tile_m);
      12'h03C: read_data = 32'(ahead);
      12'h040: read_data = cycles;
      default: read_data = 0;
    endcase
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      {a_address, b_address, c_address, m, n, k, tile_m, ahead, started, interrupts} <= 0;
    end else if (write) begin
      unique case (write_offset)
        12'h00C: {interrupts, started} <= {write_data[2], write_data[0]};
        12'h020: a_address <= write_data;
        12'h024: b_address <= write_data;
        12'h028: c_address <= write_data;
        12'h02C: m <= write_data[15:0];
        12'h030: n <= write_data[15:0];
        12'h034: k <= write_data[15:0];
        12'h038: tile_m <= write_data[15:0];
        12'h03C: ahead <= write_data[0];
        default: ;
      endcase
    end
  end

  // --- The product's tiles --------------------------------------------------------------------------

  wire [15:0] k_tiles = 16'((32'(k) + SIZE - 1) / SIZE);
  wire [15:0] n_tiles = 16'((32'(n) + SIZE - 1) / SIZE);
  wire [15:0] chunk = tile_m == 0 || tile_m > m ? m : tile_m;
  wire [31:0] a_beats = m * k_tiles;
  wire [31:0] c_beats = 4 * m * n_tiles;
  wire [31:0] b_tiles = k_tiles * n_tiles;

  wire fits = m != 0 && n != 0 && k != 0 && a_beats <= A_WORDS && c_beats <= 4 * C_WORDS
      && (!ahead || b_tiles * SIZE <= B_WORDS);
  wire aligned = a_address % BYTES == 0 && b_address % (BYTES * BURST) == 0 && c_address % BYTES == 0;

  // Where one of the three that walk the tiles is: columns of tiles, then chunks of A's rows, then k.
  typedef struct packed {
    logic [15:0] n;     // column of tiles
    logic [15:0] row;   // first row of the chunk
    logic [15:0] k;
    logic at_end;       // behind the last tile
  } place_t;

  function automatic place_t next_tile(input place_t at, input logic [15:0] rows);
    next_tile = at;
    next_tile.k = at.k + 1;
    if (next_tile.k == k_tiles) begin
      next_tile.k = 0;
      next_tile.row = at.row + rows;
      if (next_tile.row >= m) begin
        next_tile.row = 0;
        next_tile.n = at.n + 1;
        next_tile.at_end = next_tile.n == n_tiles;
      end
    end
  endfunction

  typedef enum logic [1:0] {IDLE, READ_A, RUN, WRITE_C} state_t;
  state_t state;
  assign busy = state != IDLE;

  // --- Memories -------------------------------------------------------------------------------------

  logic [8*SIZE-1:0] a_memory[A_WORDS];
  logic [8*SIZE-1:0] b_memory[B_WORDS];
  logic [31:0] c_memory[SIZE][C_WORDS];

  // --- Reading: A, then tiles of B --------------------------------------------------------------------

  logic [31:0] a_asked, a_got, b_put;
  place_t asked;                      // the tile of B that is asked for next
  logic [$clog2(SIZE):0] asked_row;   // and of it
  logic [$clog2(SIZE):0] got_row;
  logic [31:0] tiles_asked, tiles_got, tiles_loaded;
  logic loads_last_row;

  wire [31:0] a_next = a_address + a_asked * BYTES;
  wire [31:0] a_room = BURST - a_next / BYTES % BURST;
  wire [31:0] a_left = a_beats - a_asked;
  wire [31:0] a_burst = a_left < a_room ? a_left : a_room;
  wire [31:0] b_next = b_address + ((32'(asked.n) * k_tiles + 32'(asked.k)) * SIZE + 32'(asked_row)) * BYTES;
  wire has_buffer = ahead || tiles_asked - tiles_loaded - 32'(loads_last_row) < DEPTH || asked_row != 0;

  assign m_axi_arid = state == RUN;
  assign m_axi_araddr = state == RUN ? b_next : a_next;
  assign m_axi_arlen = state == RUN ? 8'(BURST - 1) : 8'(a_burst - 1);
  assign m_axi_arsize = 3'($clog2(BYTES));
  assign m_axi_arburst = 2'b01;
  assign m_axi_arvalid = state == READ_A ? a_left != 0 : state == RUN && !asked.at_end && has_buffer;
  assign m_axi_rready = 1'b1;

  always_ff @(posedge clk) begin
    if (start && !busy) begin
      {a_asked, a_got, b_put, asked, asked_row, got_row, tiles_asked, tiles_got} <= 0;
    end else begin
      if (m_axi_arvalid && m_axi_arready) begin
        if (state == READ_A) a_asked <= a_asked + a_burst;
        else if (asked_row + BURST == SIZE) begin
          asked_row <= 0;
          tiles_asked <= tiles_asked + 1;
          asked <= next_tile(asked, ahead ? m : chunk);
        end else asked_row <= asked_row + BURST;
      end
      if (m_axi_rvalid && !m_axi_rid) begin
        a_memory[a_got[$clog2(A_WORDS)-1:0]] <= m_axi_rdata;
        a_got <= a_got + 1;
      end
      if (m_axi_rvalid && m_axi_rid) begin
        b_memory[b_put[$clog2(B_WORDS)-1:0]] <= m_axi_rdata;
        b_put <= !ahead && b_put + 1 == DEPTH * SIZE ? 0 : b_put + 1;
        got_row <= got_row + 1 == SIZE ? 0 : got_row + 1;
        if (got_row + 1 == SIZE) tiles_got <= tiles_got + 1;
      end
    end
  end

  // --- Loading weights into the array, a row a cycle ----------------------------------------------------

  place_t load_place, stream_place;
  logic loading, loaded, streaming;
  logic [$clog2(SIZE)-1:0] next_row;
  logic [15:0] next_slot;
  logic [$clog2(2*SIZE)-1:0] draining;

  wire may_stream = loaded && !streaming;
  wire registers_free = OVERLAP == DOUBLE ? !loaded || may_stream
      : !loaded && !streaming && (OVERLAP == SINGLE || draining == 0);
  wire has_tile = ahead ? tiles_got == b_tiles : tiles_got != tiles_loaded;
  wire may_load = state == RUN && !loading && !load_place.at_end && has_tile && registers_free;
  wire loads = loading || may_load;
  wire [$clog2(SIZE)-1:0] row = loading ? next_row : 0;
  wire [31:0] tile = ahead ? 32'(load_place.n) * k_tiles + 32'(load_place.k) : tiles_loaded % DEPTH;
  assign loads_last_row = loads && 32'(row) == SIZE - 1;

  // --- Streaming rows of A through it, and summing up -----------------------------------------------------

  wire streams = streaming || may_stream;
  wire [15:0] slot = streaming ? next_slot : 0;
  wire [15:0] rows_left = m - stream_place.row;
  wire [15:0] slots = rows_left < chunk ? rows_left : chunk;
  wire streams_last = streams && slot == slots - 1;
  wire [31:0] a_at = 32'(stream_place.row + slot) * k_tiles + 32'(stream_place.k);

  // What goes with a slot through the array.
  typedef struct packed {
    logic valid;
    logic is_first;  // sums of k begin
    logic is_last;   // of the product
    logic [31:0] c_at;
  } tag_t;
  tag_t tags[2*SIZE];
  logic [31:0] sums[SIZE];

  place_t after_stream;
  always_comb begin
    after_stream = next_tile(stream_place, chunk);
    tags[0].valid = streams;
    tags[0].is_first = stream_place.k == 0;
    tags[0].is_last = streams_last && after_stream.at_end;
    tags[0].c_at = 32'(stream_place.n) * m + 32'(stream_place.row + slot);
  end
  assign ended = tags[2*SIZE-1].valid && tags[2*SIZE-1].is_last;

  mac_array #(
      .N(SIZE),
      .SHADOW(OVERLAP == DOUBLE)
  ) cells (
      .clk,
      .load(loads),
      .load_row(row),
      .weights(b_memory[$clog2(B_WORDS)'(tile*SIZE+32'(row))]),
      .first(streams && slot == 0),
      .slot(a_memory[a_at[$clog2(A_WORDS)-1:0]]),
      .sums
  );

  always_ff @(posedge clk) begin
    for (int i = 1; i < 2 * SIZE; i++) tags[i] <= tags[i-1];
    for (int c = 0; c < SIZE; c++) begin
      automatic tag_t tag = tags[SIZE+c];
      automatic logic [$clog2(C_WORDS)-1:0] at = tag.c_at[$clog2(C_WORDS)-1:0];
      if (tag.valid) c_memory[c][at] <= (tag.is_first ? 0 : c_memory[c][at]) + sums[c];
    end
    if (!rst_n || (start && !busy)) begin
      {load_place, stream_place, loading, loaded, streaming, draining, tiles_loaded} <= 0;
      for (int i = 1; i < 2 * SIZE; i++) tags[i].valid <= 0;
    end else begin
      loading  <= loads && !loads_last_row;
      next_row <= row + 1;
      if (loads_last_row) begin
        tiles_loaded <= tiles_loaded + 1;
        load_place <= next_tile(load_place, chunk);
      end
      if (loads_last_row) loaded <= 1;
      else if (may_stream) loaded <= 0;
      streaming <= streams && !streams_last;
      next_slot <= slot + 1;
      if (streams_last) stream_place <= after_stream;
      if (streams_last) draining <= $clog2(2 * SIZE)'(2 * SIZE - 1);
      else if (draining != 0) draining <= draining - 1;
    end
  end

  // --- Writing C ------------------------------------------------------------------------------------------

  logic [31:0] c_asked, c_sent, bursts_open;
  logic [15:0] out_row, out_n;
  logic [1:0] quarter;
  wire [31:0] c_next = c_address + c_asked * BYTES;
  wire [31:0] c_room = BURST - c_next / BYTES % BURST;
  wire [31:0] c_left = c_beats - c_asked;
  wire [31:0] c_burst = c_left < c_room ? c_left : c_room;
  wire [31:0] c_at = 32'(out_n) * m + 32'(out_row);
  wire asks = m_axi_awvalid && m_axi_awready;
  wire sends = m_axi_wvalid && m_axi_wready;

  assign m_axi_awid = 1'b0;
  assign m_axi_awaddr = c_next;
  assign m_axi_awlen = 8'(c_burst - 1);
  assign m_axi_awsize = 3'($clog2(BYTES));
  assign m_axi_awburst = 2'b01;
  assign m_axi_awvalid = state == WRITE_C && c_left != 0;
  assign m_axi_wvalid = state == WRITE_C && c_sent != c_asked;
  assign m_axi_wstrb = '1;
  assign m_axi_wlast = c_sent + 1 == c_beats || (c_address / BYTES + c_sent + 1) % BURST == 0;
  assign m_axi_bready = 1'b1;
  for (genvar i = 0; i < QUARTER; i++)
    assign m_axi_wdata[32*i+:32] = c_memory[32'(quarter)*QUARTER+i][c_at[$clog2(C_WORDS)-1:0]];

  always_ff @(posedge clk) begin
    if (start && !busy) begin
      {c_asked, c_sent, bursts_open, out_row, out_n, quarter} <= 0;
    end else begin
      if (asks) c_asked <= c_asked + c_burst;
      bursts_open <= bursts_open + 32'(asks) - 32'(m_axi_bvalid);
      if (sends) begin
        c_sent <= c_sent + 1;
        quarter <= quarter + 1;
        if (quarter == 3) begin
          out_n <= out_n + 1 == n_tiles ? 0 : out_n + 1;
          if (out_n + 1 == n_tiles) out_row <= out_row + 1;
        end
      end
    end
  end

  // --- From start to end ------------------------------------------------------------------------------------

  logic counts;
  wire counting = ahead ? may_load : m_axi_arvalid && m_axi_arready;
  wire written = c_sent == c_beats && bursts_open == 1 && m_axi_bvalid;

  always_ff @(posedge clk) begin
    irq <= 0;
    if (!rst_n) begin
      state <= IDLE;
      {done, result, cycles, counts} <= 0;
    end else begin
      unique case (state)
        IDLE:
        if (start) begin
          done <= !fits || !aligned;
          irq <= write_data[2] && (!fits || !aligned);
          result <= !fits ? ERROR_SIZE : !aligned ? ERROR_ALIGNMENT : 0;
          if (fits && aligned) state <= READ_A;
        end
        READ_A: begin
          counts <= 0;
          if (a_got == a_beats) state <= RUN;
        end
        RUN: begin
          if (!counts) cycles <= ahead ? 1 : 0;
          else if (counts) cycles <= cycles + 1;
          if (counting) counts <= 1;
          if (ended) state <= WRITE_C;
        end
        WRITE_C:
        if (written) begin
          state <= IDLE;
          done <= 1;
          irq <= interrupts;
        end
      endcase
    end
  end

  logic unused = &{m_axi_rresp, m_axi_rlast, m_axi_bid, m_axi_bresp};
endmodule
