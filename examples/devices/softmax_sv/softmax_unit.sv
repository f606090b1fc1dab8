// SPDX-License-Identifier: Apache-2.0
// The streaming softmax unit of ../softmax_py as hardware: an element a cycle in each of three passes that
// overlap. Rows come in and their largest element is found; exponentials are taken and summed; they are
// divided by the sum and go out. docs/own_rtl.md has their error and cycles.
//
//@ parameter max_columns = 1024 in 16..65536: elements of a row that the memories hold
//@ parameter ram_mib = 2048 in 0..4095: where the memory begins that it may reach, in MiB
//@ parameter ram_size_mib = 256 in 1..2048: and how much that is
//@ register SOURCE at 0x18 RW: address of the first row, float32, a multiple of 4
//@ register TARGET at 0x1c RW: address of the first row of results, a multiple of 4
//@ register ROWS at 0x20 RW: how many rows, one behind the other
//@ register COLUMNS at 0x24 RW: elements of each
//@ sketch ../softmax_py/softmax_unit.py
//@ uses softmax_math.sv
module softmax_unit
  import softmax_math::*;
#(
    parameter int MAX_COLUMNS = 1024,
    parameter int RAM_MIB = 2048,
    parameter int RAM_SIZE_MIB = 256
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

    output logic [31:0] m_axi_araddr,
    output logic [7:0] m_axi_arlen,
    output logic [2:0] m_axi_arsize,
    output logic [1:0] m_axi_arburst,
    output logic m_axi_arvalid,
    input logic m_axi_arready,
    input logic [31:0] m_axi_rdata,
    input logic m_axi_rvalid,
    output logic m_axi_rready,
    output logic [31:0] m_axi_awaddr,
    output logic [7:0] m_axi_awlen,
    output logic [2:0] m_axi_awsize,
    output logic [1:0] m_axi_awburst,
    output logic m_axi_awvalid,
    input logic m_axi_awready,
    output logic [31:0] m_axi_wdata,
    output logic [3:0] m_axi_wstrb,
    output logic m_axi_wlast,
    output logic m_axi_wvalid,
    input logic m_axi_wready,
    input logic m_axi_bvalid,
    output logic m_axi_bready
);
  localparam int BURST = 16;  // beats at most; aligned, so that none crosses 4 KiB
  localparam int READ_AHEAD = 2, WAITING = 4;  // rows in the memories before and behind the exponential

  // --- Registers ------------------------------------------------------------------------------------

  localparam int ERROR_ADDRESS = 2, ERROR_SIZE = 4;
  logic write, started, interrupts, done;
  logic [11:0] write_offset, read_offset;
  logic [31:0] write_data, read_data, result, source, target, rows, columns;

  axil_registers registers (.*);

  always_comb begin
    unique case (read_offset)
      12'h008: read_data = {29'b0, done && result != 0, done && result == 0, busy};
      12'h00C: read_data = {29'b0, interrupts, 1'b0, started};
      12'h014: read_data = result;
      12'h018: read_data = source;
      12'h01C: read_data = target;
      12'h020: read_data = rows;
      12'h024: read_data = columns;
      default: read_data = 0;
    endcase
  end

  always_ff @(posedge clk) begin
    if (!rst_n) {source, target, rows, columns, started, interrupts} <= 0;
    else if (write) begin
      unique case (write_offset)
        12'h00C: {interrupts, started} <= {write_data[2], write_data[0]};
        12'h018: source <= write_data;
        12'h01C: target <= write_data;
        12'h020: rows <= write_data;
        12'h024: columns <= write_data;
        default: ;
      endcase
    end
  end

  wire [65:0] size = 66'(rows) * columns * 4;
  wire [31:0] elements = size[33:2];

  function automatic logic in_ram(input logic [31:0] address);
    logic [67:0] first, last;
    first = 68'(RAM_MIB) << 20;
    last = first + (68'(RAM_SIZE_MIB) << 20);
    return address[1:0] == 0 && address >= first && 68'(address) + size <= last;
  endfunction

  wire reachable = size != 0 && in_ram(source) && in_ram(target);
  wire fits = columns <= MAX_COLUMNS;
  wire start = write && write_offset == 12'h00C && write_data[0] && !busy;
  wire begins = start && reachable && fits;

  // --- First pass: elements come in, and the largest of their row ---------------------------------------

  logic [31:0] x_memory[READ_AHEAD][MAX_COLUMNS];
  logic [31:0] largest[READ_AHEAD];
  logic [31:0] asked, rows_read, read_column, rows_walked;

  wire [31:0] read_next = source + 4 * asked;
  wire [31:0] read_room = BURST - read_next / 4 % BURST;
  wire [31:0] read_left = elements - asked;
  wire [31:0] read_burst = read_left < read_room ? read_left : read_room;
  wire read_place = rows_read[0];

  assign m_axi_araddr = read_next;
  assign m_axi_arlen = 8'(read_burst - 1);
  assign m_axi_arsize = 3'd2;
  assign m_axi_arburst = 2'b01;
  assign m_axi_arvalid = busy && read_left != 0;
  assign m_axi_rready = busy && rows_read - rows_walked < READ_AHEAD;

  always_ff @(posedge clk) begin
    if (begins) {asked, rows_read, read_column} <= 0;
    else begin
      if (m_axi_arvalid && m_axi_arready) asked <= asked + read_burst;
      if (m_axi_rvalid && m_axi_rready) begin
        x_memory[read_place][read_column] <= m_axi_rdata;
        if (read_column == 0 || order(m_axi_rdata) > order(largest[read_place]))
          largest[read_place] <= m_axi_rdata;
        read_column <= read_column + 1 == columns ? 0 : read_column + 1;
        if (read_column + 1 == columns) rows_read <= rows_read + 1;
      end
    end
  end

  // --- Second pass: exponentials, four cycles behind one another, and their sum ----------------------------

  logic [31:0] walk_column, rows_divided, rows_written;
  exponential_t e_memory[WAITING][MAX_COLUMNS];
  divided_t reciprocals[WAITING];

  // The divider is at work for less than 16 cycles of the next row.
  wire may_walk = rows_walked != rows_read && rows_walked - rows_written < WAITING
      && (columns >= 16 || rows_walked == rows_divided);
  wire walks = busy && (walk_column != 0 || may_walk);
  wire walks_last = walks && walk_column + 1 == columns;

  // What goes with an element from stage to stage.
  typedef struct packed {
    logic valid;
    logic is_first;
    logic is_last;
    logic [1:0] place;
    logic [31:0] column;
  } tag_t;
  tag_t tags[4];
  distance_t distance;
  power_t power;
  piece_t piece;
  logic [63:0] sum;

  wire exponential_t e = exponential_of(piece);
  wire [63:0] sum_with = (tags[3].is_first ? 0 : sum) + addend_of(e);

  always_comb begin
    tags[0] = '{walks, walk_column == 0, walks_last, rows_walked[1:0], walk_column};
  end

  always_ff @(posedge clk) begin
    distance <= distance_of(largest[rows_walked[0]], x_memory[rows_walked[0]][walk_column]);
    power <= power_of(distance);
    piece <= piece_of(power);
    if (tags[3].valid) begin
      e_memory[tags[3].place][tags[3].column] <= e;
      sum <= sum_with;
    end
    if (!rst_n || begins) begin
      {walk_column, rows_walked} <= 0;
      for (int i = 1; i < 4; i++) tags[i].valid <= 0;
    end else begin
      for (int i = 1; i < 4; i++) tags[i] <= tags[i-1];
      if (walks) walk_column <= walks_last ? 0 : walk_column + 1;
      if (walks_last) rows_walked <= rows_walked + 1;
    end
  end

  // One divided by the sum: STEPS bits of the quotient a cycle.
  localparam int STEPS = 3, QUOTIENT_BITS = 33;
  division_t division;
  logic [3:0] turns;
  wire division_t divides = division_after(division, STEPS);

  always_ff @(posedge clk) begin
    if (!rst_n || begins) {turns, rows_divided} <= 0;
    else if (tags[3].valid && tags[3].is_last) begin
      division <= division_of(sum_with);
      turns <= QUOTIENT_BITS / STEPS;
    end else if (turns != 0) begin
      division <= divides;
      turns <= turns - 1;
      if (turns == 1) begin
        reciprocals[rows_divided[1:0]] <= '{divides.quotient, divides.exponent};
        rows_divided <= rows_divided + 1;
      end
    end
  end

  // --- Third pass: the quotients go out -----------------------------------------------------------------

  logic [31:0] write_asked, sent, write_column, bursts_open;
  wire [31:0] write_next = target + 4 * write_asked;
  wire [31:0] write_room = BURST - write_next / 4 % BURST;
  wire [31:0] write_left = elements - write_asked;
  wire [31:0] write_burst = write_left < write_room ? write_left : write_room;
  wire [1:0] write_place = rows_written[1:0];
  wire asks = m_axi_awvalid && m_axi_awready;
  wire sends = m_axi_wvalid && m_axi_wready;

  assign m_axi_awaddr = write_next;
  assign m_axi_awlen = 8'(write_burst - 1);
  assign m_axi_awsize = 3'd2;
  assign m_axi_awburst = 2'b01;
  assign m_axi_awvalid = busy && write_left != 0;
  assign m_axi_wdata = quotient_of(e_memory[write_place][write_column], reciprocals[write_place]);
  assign m_axi_wstrb = '1;
  assign m_axi_wvalid = busy && rows_written != rows_divided && sent != write_asked;
  assign m_axi_wlast = sent + 1 == elements || (target / 4 + sent + 1) % BURST == 0;
  assign m_axi_bready = 1'b1;

  always_ff @(posedge clk) begin
    if (begins) {write_asked, sent, write_column, bursts_open, rows_written} <= 0;
    else begin
      if (asks) write_asked <= write_asked + write_burst;
      bursts_open <= bursts_open + 32'(asks) - 32'(m_axi_bvalid);
      if (sends) begin
        sent <= sent + 1;
        write_column <= write_column + 1 == columns ? 0 : write_column + 1;
        if (write_column + 1 == columns) rows_written <= rows_written + 1;
      end
    end
  end

  // --- From start to end ----------------------------------------------------------------------------------

  wire ends = busy && sent == elements && bursts_open == 1 && m_axi_bvalid;

  always_ff @(posedge clk) begin
    irq <= 0;
    if (!rst_n) {busy, done, result} <= 0;
    else if (start) begin
      busy <= begins;
      done <= !begins;
      result <= !reachable ? ERROR_ADDRESS : !fits ? ERROR_SIZE : 0;
      irq <= !begins && write_data[2];
    end else if (ends) begin
      busy <= 0;
      done <= 1;
      irq <= interrupts;
    end
  end
endmodule
