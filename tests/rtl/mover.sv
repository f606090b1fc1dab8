// SPDX-License-Identifier: Apache-2.0
// Copies bursts from one place in RAM to another, as its registers say, and breaks a rule where FAULT
// names one. Source and target have the same lanes of the bus.
//
//@ parameter data_width = 128 in 32..512: of m_axi
//@ register SOURCE at 0x20 RW: address of the first burst; the next ones are STRIDE apart
//@ register TARGET at 0x24 RW: likewise
//@ register STRIDE at 0x28 RW: bytes
//@ register BURSTS at 0x2C RW: how many
//@ register BEATS at 0x30 RW: of each
//@ register BEAT_SIZE at 0x34 RW: log2 of a beat's bytes
//@ register IDS at 0x38 RW: the bursts' ids are 0 to IDS - 1 in turns
//@ register FAULT at 0x3C RW: which rule to break, and how
//@ register FIRST_ID at 0x40 R: id of the burst whose data came first
module mover #(
    parameter int DATA_WIDTH = 128
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

    output logic [3:0] m_axi_arid,
    output logic [63:0] m_axi_araddr,
    output logic [7:0] m_axi_arlen,
    output logic [2:0] m_axi_arsize,
    output logic [1:0] m_axi_arburst,
    output logic m_axi_arvalid,
    input logic m_axi_arready,
    input logic [3:0] m_axi_rid,
    input logic [DATA_WIDTH-1:0] m_axi_rdata,
    input logic m_axi_rlast,
    input logic m_axi_rvalid,
    output logic m_axi_rready,
    output logic [3:0] m_axi_awid,
    output logic [63:0] m_axi_awaddr,
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
    input logic [3:0] m_axi_bid,
    input logic m_axi_bvalid,
    output logic m_axi_bready
);
  localparam int BYTES = DATA_WIDTH / 8;
  typedef enum logic [5:0] {
    NONE,
    AR_FALLS,
    AR_CHANGES,
    W_FALLS,
    W_CHANGES,
    LAST_EARLY,
    LAST_MISSING,
    WRAPS,
    STRAY_B,
    STRAY_R,
    STRAY_STROBE,
    NO_ANSWER,
    NEVER_DONE,
    VALID_IN_RESET,
    SAYS_FATAL,
    SAYS_FINISH,
    BREAKS_ASSERTION,
    ERROR_RESPONSE,
    WRITES_LATE
  } fault_t;
  fault_t fault;

  logic [31:0] source, target, stride, bursts, beats;
  logic [2:0] beat_size;
  logic [3:0] ids, first_id;
  logic interrupts, moves;

  // --- Registers: address and data may come one after the other ---------------------------------------

  logic has_address, has_data;
  logic [11:0] offset;
  logic [31:0] data;
  wire answers = fault != NO_ANSWER;
  assign s_axil_awready = !has_address && !s_axil_bvalid;
  assign s_axil_wready  = has_address && !has_data && !s_axil_bvalid;
  assign s_axil_arready = !s_axil_rvalid;
  wire start = has_data && offset == 12'h00C && data[0];

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      {has_address, has_data, s_axil_bvalid, s_axil_rvalid} <= 0;
      {source, target, stride, bursts, beats, beat_size, ids, interrupts} <= 0;
      if (fault != VALID_IN_RESET) fault <= NONE;
    end else begin
      if (s_axil_awvalid && s_axil_awready) {has_address, offset} <= {1'b1, s_axil_awaddr};
      if (s_axil_wvalid && s_axil_wready) {has_data, data} <= {1'b1, s_axil_wdata};
      if (s_axil_bvalid && s_axil_bready) s_axil_bvalid <= 0;
      if (has_data) begin
        {has_address, has_data, s_axil_bvalid} <= 3'b001;
        s_axil_bresp <= fault == ERROR_RESPONSE ? 2 : 0;
        case (offset)
          12'h00C: interrupts <= data[16];
          12'h020: source <= data;
          12'h024: target <= data;
          12'h028: stride <= data;
          12'h02C: bursts <= data;
          12'h030: beats <= data;
          12'h034: beat_size <= data[2:0];
          12'h038: ids <= data[3:0];
          12'h03C: fault <= fault_t'(data[5:0]);
          default: ;
        endcase
      end
      if (s_axil_arvalid && s_axil_arready && answers) begin
        s_axil_rvalid <= 1;
        s_axil_rresp  <= fault == ERROR_RESPONSE ? 3 : 0;
        case (s_axil_araddr)
          12'h008: s_axil_rdata <= {30'b0, !busy, busy};
          12'h020: s_axil_rdata <= source;
          12'h034: s_axil_rdata <= 32'(beat_size);
          12'h038: s_axil_rdata <= 32'(ids);
          12'h03C: s_axil_rdata <= 32'(fault);
          12'h040: s_axil_rdata <= 32'(first_id);
          default: s_axil_rdata <= 0;
        endcase
      end else if (s_axil_rready && !(fault == STRAY_R)) s_axil_rvalid <= 0;
      if (busy && fault == STRAY_R) s_axil_rvalid <= 1;
      if (busy && fault == STRAY_B) s_axil_bvalid <= 1;
    end
  end

  // --- Reading --------------------------------------------------------------------------------------

  logic [DATA_WIDTH-1:0] buffer[4096];
  logic [31:0] asked, got, started, sent, answered;
  logic [31:0] next_beat[16];  // of the burst that an id is at
  logic [31:0] next_burst[16];
  logic waited;
  assign m_axi_arvalid = moves && asked != bursts && !(fault == AR_FALLS && waited)
      || fault == VALID_IN_RESET && !rst_n;
  assign m_axi_arid = 4'(asked % 32'(ids));
  assign m_axi_araddr = 64'(source + asked * stride) + (fault == AR_CHANGES && waited ? 64 : 0);
  assign m_axi_arlen = 8'(beats - 1);
  assign m_axi_arsize = beat_size;
  assign m_axi_arburst = fault == WRAPS ? 2 : 1;
  assign m_axi_rready = 1;

  always_ff @(posedge clk) begin
    waited <= m_axi_arvalid && !m_axi_arready;
    if (start && !busy) begin
      {asked, got} <= 0;
      for (int i = 0; i < 16; i++) begin
        next_beat[i]  <= 0;
        next_burst[i] <= i;
      end
    end else begin
      if (m_axi_arvalid && m_axi_arready) asked <= asked + 1;
      if (m_axi_rvalid) begin
        buffer[12'(next_burst[m_axi_rid]*beats+next_beat[m_axi_rid])] <= m_axi_rdata;
        next_beat[m_axi_rid] <= m_axi_rlast ? 0 : next_beat[m_axi_rid] + 1;
        if (m_axi_rlast) next_burst[m_axi_rid] <= next_burst[m_axi_rid] + 32'(ids);
        if (got == 0) first_id <= m_axi_rid;
        got <= got + 1;
      end
    end
  end

  // --- Writing, when all has been read ----------------------------------------------------------------

  logic writes, w_waited;
  logic [31:0] beat;  // of the burst whose data is sent
  wire [63:0] at = 64'(target + sent * stride);
  wire [63:0] beat_bytes = 64'(1) << beat_size;
  wire [63:0] begins = beat == 0 ? at : (at / beat_bytes + 64'(beat)) * beat_bytes;
  wire [63:0] ends = (at / beat_bytes + 64'(beat) + 1) * beat_bytes;
  assign m_axi_awvalid = writes && started != bursts && !(fault == WRITES_LATE && sent == 0 && beat == 0);
  assign m_axi_awid = 4'(started % 32'(ids));
  assign m_axi_awaddr = 64'(target + started * stride);
  assign m_axi_awlen = 8'(beats - 1);
  assign m_axi_awsize = beat_size;
  assign m_axi_awburst = 1;
  assign m_axi_wvalid = writes && sent != bursts && !(fault == W_FALLS && w_waited);
  assign m_axi_wdata = buffer[12'(sent*beats+beat)] ^ DATA_WIDTH'(fault == W_CHANGES && w_waited);
  for (genvar i = 0; i < BYTES; i++)
    assign m_axi_wstrb[i] = 64'(i) >= begins % BYTES && 64'(i) < begins % BYTES + ends - begins
        || fault == STRAY_STROBE;
  assign m_axi_wlast = fault == LAST_EARLY || beat + 1 == beats && fault != LAST_MISSING;
  assign m_axi_bready = 1;

  always_ff @(posedge clk) begin
    irq <= 0;
    w_waited <= m_axi_wvalid && !m_axi_wready;
    if (!rst_n) begin
      {moves, writes} <= 0;
    end else if (start && !busy) begin
      {started, sent, answered, beat} <= 0;
      moves <= 1;
    end else begin
      if (moves && got == bursts * beats) writes <= 1;
      if (m_axi_awvalid && m_axi_awready) started <= started + 1;
      if (m_axi_wvalid && m_axi_wready) begin
        beat <= beat + 1 == beats ? 0 : beat + 1;
        if (beat + 1 == beats) sent <= sent + 1;
      end
      if (m_axi_bvalid) answered <= answered + 1;
      if (moves && writes && answered == bursts && fault != NEVER_DONE) begin
        {moves, writes} <= 0;
        irq <= interrupts;
      end
      if (moves && fault == SAYS_FATAL) $fatal(1, "there is no such burst");
      if (moves && fault == SAYS_FINISH) $finish;
      assert (!(moves && fault == BREAKS_ASSERTION));
    end
  end
  assign busy = moves;

  logic unused = &{s_axil_wstrb, m_axi_bid};
endmodule
